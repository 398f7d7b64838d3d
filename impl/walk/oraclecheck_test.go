package walk

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
)

// A lie is what a viewer gets, and the fault that the oracle must find.
type lie struct {
	name string
	tell func(r *reading, one, other *count)
	want []kind
}

// give passes a group of a numbering to a reading, only its first frames if
// frames is not negative, and then err.
func give(r *reading, c *count, seq api.GroupSequence, frames int, err error) {
	if frames < 0 {
		frames = c.frames(seq)
	}
	var all []api.Frame
	for i := range frames {
		all = append(all, api.Frame{Payload: c.frame(nil, seq, i)})
	}
	g := apitest.Group(seq, err, all...)
	r.follow(g, r.accept(g))
}

var errBroken = errors.New("broken")

var lies = []lie{
	{"the truth", func(r *reading, c, _ *count) {
		give(r, c, 3, -1, nil)
		give(r, c, 4, 1, errBroken)
		give(r, c, 4, -1, nil)
		r.tell([]api.Gap{{Start: 5, End: 7}})
		give(r, c, 7, -1, nil)
	}, nil},
	{"a group without its last frame", func(r *reading, c, _ *count) { give(r, c, 3, c.frames(3)-1, nil) }, []kind{short}},
	{"another group's frames", func(r *reading, c, _ *count) {
		g := apitest.Group(3, nil, api.Frame{Payload: c.frame(nil, 4, 0)})
		r.follow(g, r.accept(g))
	}, []kind{untrue, short}},
	{"frames of nobody", func(r *reading, _, _ *count) {
		g := apitest.Group(3, nil, apitest.Frames("99 nobody/video 3/0:")...)
		r.follow(g, r.accept(g))
	}, []kind{untrue}},
	{"another numbering", func(r *reading, c, other *count) {
		give(r, c, 3, -1, nil)
		give(r, other, 4, -1, nil)
	}, []kind{mixed}},
	{"a group twice", func(r *reading, c, _ *count) {
		give(r, c, 3, -1, nil)
		give(r, c, 3, -1, nil)
	}, []kind{twice}},
	{"a group twice at the same time", func(r *reading, _, _ *count) {
		r.accept(apitest.Group(3, nil))
		r.accept(apitest.Group(3, nil))
	}, []kind{twice}},
	{"a group left out", func(r *reading, c, _ *count) {
		give(r, c, 3, -1, nil)
		give(r, c, 5, -1, nil)
	}, []kind{silent}},
	{"a missing head", func(r *reading, c, _ *count) {
		r.from = 2
		give(r, c, 3, -1, nil)
	}, []kind{silent}},
	{"a group of a gap", func(r *reading, c, _ *count) {
		r.tell([]api.Gap{{Start: 3, End: 5}})
		give(r, c, 4, -1, nil)
	}, []kind{undead}},
	{"an end of what goes on", func(r *reading, c, _ *count) {
		give(r, c, 3, -1, nil)
		r.end(io.EOF)
	}, []kind{falsely}},
}

// TestOracleKnowsLies passes to the oracle what is not true.
func TestOracleKnowsLies(t *testing.T) {
	b := broadcastSpec{"cam", []trackSpec{{name: "video", period: time.Second, frames: 4, size: 50}}}
	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			s := newStage(&world{broadcasts: []broadcastSpec{b}})
			one, other := s.numbering(1, 0).tracks["video"], s.numbering(2, 0).tracks["video"]
			one.begun, other.begun = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
			v := &viewer{client: &client{stage: s, name: "v", ctx: context.Background()}, spec: &join{track: "video"}, path: "cam"}
			r := newReading(v, 0)
			l.tell(r, one, other)
			r.account()
			if got := s.kinds(); !slices.Equal(got, l.want) {
				t.Errorf("the oracle says %v, want %v", s.faults, l.want)
			}
		})
	}
}

// TestOracleKnowsEnds: another publisher ends the track. That is an end of the
// groups that came only if nobody can tell the two publishers apart.
func TestOracleKnowsEnds(t *testing.T) {
	b := broadcastSpec{"cam", []trackSpec{{name: "video", period: time.Second, frames: 4, size: 50}}}
	for name, test := range map[string]struct {
		hop     api.Hop
		handler bool
		lasted  time.Duration
		groups  api.GroupSequence
		want    []kind
	}{
		"one of the same identity, without a group":      {1, false, 0, 0, nil},
		"one of the same identity, with other groups":    {1, false, 0, 2, []kind{falsely}},
		"one by a handler":                               {1, true, time.Second, 2, nil},
		"one by a handler, long after":                   {1, true, time.Minute, 60, []kind{falsely}},
		"one of another identity, without a group":       {2, false, 0, 0, []kind{falsely}},
		"one of another identity, by a handler, at once": {2, true, 0, 0, []kind{falsely}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(&world{broadcasts: []broadcastSpec{b}})
			one, other := s.numbering(1, 0), s.numbering(2, 0)
			s.publishers["p1"] = &publisher{spec: &begin{hop: 1}, truth: one}
			s.publishers["p2"] = &publisher{spec: &begin{hop: test.hop, handler: test.handler}, truth: other}
			one.tracks["video"].begun, one.tracks["video"].next = time.Now().Add(-time.Hour), 9
			other.tracks["video"].begun, other.tracks["video"].next = time.Now().Add(-test.lasted), test.groups
			other.tracks["video"].end()
			v := &viewer{client: &client{stage: s, name: "v", ctx: context.Background()}, spec: &join{track: "video"}, path: "cam"}
			r := newReading(v, 0)
			give(r, one.tracks["video"], 8, -1, nil)
			r.end(io.EOF)
			if got := s.kinds(); !slices.Equal(got, test.want) {
				t.Errorf("the oracle says %v, want %v", s.faults, test.want)
			}
		})
	}
}

// secretly is a step that lasts longer than it says, so that the world is not
// in order when all must be well.
type secretly struct{ step }

func (secretly) lasts() time.Duration { return 0 }

// TestOracleSeesTheDark runs worlds that are not in order at the end.
func TestOracleSeesTheDark(t *testing.T) {
	at := func(name string) linkSpec { return linkSpec{name: name, to: "r0", version: api.Lite06} }
	w := &world{
		relays:     []relaySpec{{name: "r0"}},
		broadcasts: []broadcastSpec{{"cam", []trackSpec{{name: "video", period: time.Second, frames: 4, size: 50}}}},
		events: []event{
			{time.Second, &begin{name: "p", link: at("p"), hop: 1, numbering: 1, lasting: true}},
			{2 * time.Second, &join{name: "v", link: at("v"), track: "video", lasting: true}},
			{2 * time.Second, &follow{name: "f", link: at("f"), lasting: true}},
		},
	}
	if s := play(t, w); len(s.faults) > 0 {
		t.Errorf("nothing is wrong, and the oracle says %v", s.faults)
	}
	events := w.events
	for _, c := range []struct {
		step step
		want []kind
	}{
		{&freeze{"v", 50 * time.Second, false}, []kind{dark}},
		{&freeze{"p", 50 * time.Second, false}, []kind{misled, dark}},
	} {
		w.events = append(slices.Clone(events), event{10 * time.Second, secretly{c.step}})
		if got := play(t, w).kinds(); !slices.Equal(got, c.want) {
			t.Errorf("%v: the oracle says %v, want %v", c.step, got, c.want)
		}
	}
}
