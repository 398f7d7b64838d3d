package impl_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/transport/transporttest"
)

const (
	cutsEvery     = 150 * time.Millisecond
	cutsFor       = 5 * time.Second
	cutStages     = 3 // at the same time
	framesOfGroup = 3
)

// A proxy cuts the connections of a reconnecting publisher and a reconnecting
// viewer of a relay, again and again: no incomplete group looks complete, none
// arrives twice, and everything that does not arrive is reported as lost.
func TestCutAgainAndAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	for i := range 2 * cutStages {
		scheme := []string{"ws", "tcp"}[i%2]
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			server := moqtest.NewUnstartedRelay()
			server.StartSockets()
			defer server.Close()
			u, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			cables := []*transporttest.Cable{transporttest.NewCable(t, u.Host), transporttest.NewCable(t, u.Host)}

			var broadcast live.Broadcast
			track := broadcast.Track("video", api.TrackInfo{})
			mux := api.NewTrackMux()
			if err := mux.Publish(t.Context(), "room", &broadcast); err != nil {
				t.Fatal(err)
			}
			connect := func(cable *transporttest.Cable, mux *api.TrackMux, sessions *atomic.Int64) api.Session {
				policy := redial.Policy{InitialInterval: 10 * time.Millisecond, MaxInterval: 20 * time.Millisecond}
				policy.Trace = &redial.SessionTrace{Connected: func(api.SessionState) { sessions.Add(1) }}
				s, err := impl.NewRedialer(server.Client(), policy).Dial(t.Context(), scheme+"://"+cable.Addr, mux)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			var published, viewed atomic.Int64
			publisher, viewer := connect(cables[0], mux, &published), connect(cables[1], api.NewTrackMux(), &viewed)
			last := make(chan api.GroupSequence, 1)
			go func() { last <- writeFor(cutsFor+2*time.Second, track) }()
			awaitRoom(t, viewer)
			reader := subscribe(t, viewer, "room", nil)
			seen := make(chan *ledger, 1)
			go func() { seen <- read(reader) }()

			for i, end := 0, time.Now().Add(cutsFor); time.Now().Before(end); i++ {
				time.Sleep(cutsEvery / 2)
				cables[i%2].Cut() // so that each notices what the other's cut does
			}
			select {
			case l := <-seen:
				o := l.outcome(<-last)
				_ = viewer.Terminate(api.SessionNoError, "")
				_ = publisher.Terminate(api.SessionNoError, "")
				t.Logf("%v; %d sessions of the publisher, %d of the viewer", o, published.Load(), viewed.Load())
				if l.err != io.EOF || len(o.wrong) > 0 {
					t.Errorf("the track ended with %v; wrong: %v", l.err, o.wrong)
				}
				if o.whole == 0 || viewed.Load() < 10 || published.Load() < 10 {
					t.Error("too little has happened")
				}
			case <-time.After(30 * time.Second):
				t.Fatal("the track does not end")
			}
		})
	}
}

// writeFor writes groups with pauses within and between them, ends the track,
// and returns the number of the last group.
func writeFor(d time.Duration, track *live.Track) (last api.GroupSequence) {
	defer track.Close()
	for end := time.Now().Add(d); time.Now().Before(end); {
		g, err := track.OpenGroup(context.Background())
		if err != nil {
			return last
		}
		last = g.Sequence()
		for i := range framesOfGroup {
			_ = g.WriteFrame(api.Frame{Timestamp: uint64(time.Now().UnixMilli()), Payload: fmt.Appendf(nil, "%d/%d", last, i)})
			time.Sleep(5 * time.Millisecond)
		}
		_ = g.Close()
	}
	return last
}

// A ledger records what a reader of a track got, and what was reported to it.
type ledger struct {
	reader api.TrackReader
	err    error // of accepting, at last

	mu       sync.Mutex
	groups   map[api.GroupSequence]*account
	lost     []api.Gap
	restarts int
	wrong    []string
}

// An account records what a reader got of a group.
type account struct {
	frames      []uint64
	whole, torn bool // in one of its parts
}

// read reads a track to its end.
func read(r api.TrackReader) *ledger {
	l := &ledger{reader: r, groups: make(map[api.GroupSequence]*account)}
	var reading sync.WaitGroup
	defer reading.Wait()
	for {
		g, err := r.AcceptGroup(context.Background())
		switch {
		case err == nil:
			reading.Go(func() { l.read(g) })
		case errors.Is(err, api.ErrRestarted):
			l.restarts++
		default:
			l.err = err
			return l
		}
		l.lost = append(l.lost, r.Gaps()...)
	}
}

// read reads a group, or a part of it.
func (l *ledger) read(g api.GroupReader) {
	frame := g.FirstFrame()
	for f, err := range api.Frames(context.Background(), g, nil) {
		l.mu.Lock()
		a := l.of(g.Sequence())
		switch {
		case err != nil:
			a.torn = true
		case string(f.Payload) != fmt.Sprintf("%d/%d", g.Sequence(), frame):
			l.wrong = append(l.wrong, fmt.Sprintf("frame %d of group %d is %q", frame, g.Sequence(), f.Payload))
		default:
			a.frames = append(a.frames, frame)
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
		frame++
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(g.Sequence()).whole = true
	if frame != framesOfGroup {
		l.wrong = append(l.wrong, fmt.Sprintf("group %d ended after frame %d", g.Sequence(), frame))
	}
}

func (l *ledger) of(seq api.GroupSequence) *account {
	a := l.groups[seq]
	if a == nil {
		a = new(account)
		l.groups[seq] = a
	}
	return a
}

// An outcome says what happened to the groups of a track.
type outcome struct {
	groups, whole, parts, torn, lost, restarts int
	wrong                                      []string
}

func (o outcome) String() string {
	return fmt.Sprintf("%d groups: %d whole, %d of them in parts, %d torn, %d lost; %d restarts",
		o.groups, o.whole, o.parts, o.torn, o.lost, o.restarts)
}

// outcome returns what happened to the groups from the first that arrived to
// last.
func (l *ledger) outcome(last api.GroupSequence) outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = append(l.lost, l.reader.Gaps()...)
	o := outcome{restarts: l.restarts, wrong: l.wrong}
	first := last
	for seq := range l.groups {
		first = min(first, seq)
	}
	for seq := first; seq <= last; seq++ {
		o.groups++
		a := l.of(seq)
		slices.Sort(a.frames)
		lost := slices.ContainsFunc(l.lost, func(g api.Gap) bool { return g.Start <= seq && seq < g.End })
		switch distinct := slices.Compact(slices.Clone(a.frames)); {
		case len(distinct) < len(a.frames):
			o.wrong = append(o.wrong, fmt.Sprintf("of group %d came frames %v", seq, a.frames))
		case len(a.frames) == framesOfGroup && a.whole:
			o.whole++
			if a.torn {
				o.parts++
			}
		case a.torn:
			o.torn++
		case lost:
			o.lost++
		default:
			o.wrong = append(o.wrong, fmt.Sprintf("nobody told of group %d", seq))
		}
	}
	return o
}
