package walk

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

const (
	// quiet is how long after the last event all viewers must get frames again,
	// and how long after the end of all tracks they must know of it.
	quiet = 15 * time.Second

	// flicker is the longest time in which a viewer may get nothing.
	flicker = 6 * time.Second

	// closing is how long everything may take to close.
	closing = 10 * time.Second
)

// A stage is where a world runs.
type stage struct {
	world *world
	began time.Time
	wg    sync.WaitGroup
	nodes map[string]*node

	mu         sync.Mutex
	hops       api.Hop
	links      map[string]*link
	publishers map[string]*publisher
	numberings map[int]*numbering
	viewers    []*viewer
	followers  []*follower
	faults     []fault
	notes      []string
}

func newStage(w *world) *stage {
	return &stage{
		world: w, hops: 1000,
		nodes: make(map[string]*node), links: make(map[string]*link),
		publishers: make(map[string]*publisher), numberings: make(map[int]*numbering),
	}
}

// play runs a world in a bubble, and returns the stage with its faults.
func play(t *testing.T, w *world) (s *stage) {
	s = newStage(w)
	defer func() {
		if p := recover(); p != nil {
			k := crashed
			if strings.Contains(fmt.Sprint(p), "deadlock") {
				k = leaked
			}
			s.fault(k, "%v", p)
		}
	}()
	synctest.Test(t, func(*testing.T) {
		s.began = time.Now()
		s.set()
		s.perform()
		s.watch()
		s.endTracks()
		s.strike()
	})
	return s
}

// set starts the relays.
func (s *stage) set() {
	for _, r := range s.world.relays {
		n := &node{stage: s, name: r.name}
		s.nodes[r.name] = n
		for _, up := range r.up {
			n.up = append(n.up, s.attach(up))
		}
	}
	for _, r := range s.world.relays {
		s.nodes[r.name].start()
	}
}

// perform makes the events happen.
func (s *stage) perform() {
	for _, e := range s.world.events {
		time.Sleep(e.at - time.Since(s.began))
		s.note("%v", e.step)
		e.step.run(s)
	}
	time.Sleep(s.world.moves() - time.Since(s.began))
}

// watch checks everything when nothing has moved for a while.
func (s *stage) watch() {
	s.note("nothing moves from here on")
	time.Sleep(quiet)
	for _, v := range s.viewers {
		v.hurry.Store(true)
	}
	time.Sleep(flicker)
	s.check()
	time.Sleep(settling)
	for _, v := range s.viewers {
		v.lookBack()
	}
}

// check looks for viewers that get nothing, or do not know that their tracks
// have ended, and for followers with wrong announcements. A slow viewer may
// have much to read before the end.
func (s *stage) check() {
	for _, f := range s.followers {
		f.check()
	}
	for _, v := range s.viewers {
		goes, ended := v.expects()
		lit, how := v.light()
		switch {
		case goes && !lit:
			v.fault(dark, "%s", how)
		case ended && !lit:
			v.fault(noEnd, "%s", how)
		}
	}
}

// expects reports whether frames must come to the viewer or, if not, the end of
// the track.
func (v *viewer) expects() (frames, end bool) {
	if !v.stands() || v.spec.config.StartGroup == farAhead {
		return false, false
	}
	for _, p := range v.stage.publishers {
		if p.there() && p.path() == v.path {
			goes := !p.truth.tracks[v.spec.track].hasEnded()
			frames, end = frames || goes, true
		}
	}
	return frames, end && !frames
}

// calm is a step: nothing has moved for a while.
type calm struct{}

func (*calm) String() string       { return "all is well" }
func (*calm) lasts() time.Duration { return 0 }
func (*calm) run(s *stage)         { s.check() }

// endTracks ends all tracks in all publishers, which all viewers must learn.
func (s *stage) endTracks() {
	var seeing []*viewer
	for _, v := range s.viewers {
		goes, _ := v.expects()
		if lit, _ := v.light(); goes && lit {
			seeing = append(seeing, v)
		}
	}
	s.note("all tracks end")
	for _, p := range s.publishers {
		for name := range p.truth.tracks {
			p.end(name)
		}
	}
	time.Sleep(quiet)
	for _, v := range seeing {
		if _, ended := v.expects(); ended {
			v.fault(noEnd, "after it was seen to the last")
		}
	}
}

// strike closes everything, and looks for goroutines that are left.
func (s *stage) strike() {
	s.note("everything closes")
	down := make(chan struct{})
	go func() {
		defer close(down)
		for _, v := range s.viewers {
			v.close()
		}
		for _, f := range s.followers {
			f.close()
		}
		for _, p := range s.publishers {
			p.close()
		}
		for _, n := range s.nodes {
			if p := n.take(); p != nil {
				p.close()
			}
		}
		s.wg.Wait()
	}()
	select {
	case <-down:
	case <-time.After(closing):
		s.fault(stuck, "%s", s.rest())
		return
	}
	synctest.Wait()
	if rest := s.rest(); rest != "" {
		s.fault(leaked, "%s", rest)
	}
}

var bubble = regexp.MustCompile(`synctest bubble \d+`)

// rest returns the stacks of the first goroutines of the bubble, except the
// caller's.
func (s *stage) rest() string {
	buf := make([]byte, 1<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	mine := bubble.FindString(all[0])
	var rest []string
	for _, g := range all[1:] {
		header, _, _ := strings.Cut(g, "\n")
		ofTest := strings.Contains(header, "[synctest.Run") || strings.Contains(g, "testingSynctestTest(")
		if strings.Contains(header, mine+"]") && !ofTest {
			rest = append(rest, g)
		}
	}
	const enough = 3
	return strings.Join(rest[:min(len(rest), enough)], "\n\n")
}

// spawn runs f in a goroutine that the end of the world waits for.
func (s *stage) spawn(f func()) { s.wg.Go(f) }

// attach makes a link to a relay.
func (s *stage) attach(spec linkSpec) *link {
	l := &link{spec: spec}
	s.mu.Lock()
	s.links[spec.name] = l
	s.mu.Unlock()
	s.nodes[spec.to].attach(l)
	return l
}

// link returns the link of a name. If there is none, it returns one without an
// end, to which faults do nothing.
func (s *stage) link(name string) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.links[name]; l != nil {
		return l
	}
	return new(link)
}

// publisher returns the publisher of a name; nil if it has not begun.
func (s *stage) publisher(name string) *publisher {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publishers[name]
}

// viewer returns the viewer of a name; nil if it has not come.
func (s *stage) viewer(name string) *viewer {
	i := slices.IndexFunc(s.viewers, func(v *viewer) bool { return v.name == name })
	if i < 0 {
		return nil
	}
	return s.viewers[i]
}

// numbering returns the numbering with an id, of a broadcast.
func (s *stage) numbering(id, broadcast int) *numbering {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.numberings[id]
	if n == nil {
		n = newNumbering(id, s.world.broadcasts[broadcast])
		s.numberings[id] = n
	}
	return n
}

// truth returns what is written under a numbering of the viewer's track; nil if
// it is of another broadcast.
func (v *viewer) truth(id int) *count {
	v.stage.mu.Lock()
	defer v.stage.mu.Unlock()
	n := v.stage.numberings[id]
	if n == nil || n.tracks[v.spec.track] == nil || n.tracks[v.spec.track].path != v.path {
		return nil
	}
	return n.tracks[v.spec.track]
}

// ended reports whether the viewer's track has ended for good, and whether the
// viewer may be told that it has: a publisher that withdraws a broadcast ends
// its tracks too, even if another continues them. So does one that has the
// identity of the publisher before and ends the track without a sign that its
// numbers were others: nobody can tell that from an end of the numbers before.
func (v *viewer) ended(c *count) (ended, mayTell bool) {
	v.stage.mu.Lock()
	defer v.stage.mu.Unlock()
	hops := make(map[api.Hop]bool) // of the publishers of c
	for _, p := range v.stage.publishers {
		hops[p.spec.hop] = hops[p.spec.hop] || p.truth.tracks[v.spec.track] == c
	}
	for _, p := range v.stage.publishers {
		t := p.truth.tracks[v.spec.track]
		switch {
		case t == nil || t.path != v.path:
		case c == nil || t == c:
			ended = ended || t.hasEnded()
			mayTell = mayTell || ended || p.withdrawn()
		case hops[p.spec.hop] && p.showsNoNumber(t):
			mayTell = true
		case t.resembles(c, c.highest()):
			mayTell = mayTell || t.hasEnded() || p.withdrawn()
		}
	}
	return ended, mayTell
}

// showsNoNumber reports whether a publisher has ended a track so that who comes
// after that is shown no group: it has begun none, or its handler serves only
// what comes next, and the end was soon.
func (p *publisher) showsNoNumber(c *count) bool {
	empty := (c.hasEnded() || p.withdrawn()) && c.highest() == 0
	return empty || p.spec.handler && c.hasEndedSoon()
}

func (s *stage) nextHop() api.Hop {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hops++
	return s.hops
}

func (s *stage) since() time.Duration { return time.Since(s.began) }

func (s *stage) fault(k kind, format string, args ...any) {
	f := fault{k, s.since(), fmt.Sprintf(format, args...)}
	s.note("FAULT %s: %s", f.kind, f.text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// note adds a line to the log of what happened.
func (s *stage) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf("%8.3fs  %s", s.since().Seconds(), fmt.Sprintf(format, args...)))
}

// kinds returns the kinds of the faults, each once.
func (s *stage) kinds() (kinds []kind) {
	for _, f := range s.faults {
		if !slices.Contains(kinds, f.kind) {
			kinds = append(kinds, f.kind)
		}
	}
	return kinds
}
