package live

import (
	"io"
	"slices"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
	"github.com/moqlite/moqlite/impl/internal/numbers"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// How many groups of one subscription are served at the same time. The newest
// does not wait for older ones that their subscriber is slow to take: it has
// slots of its own, and when they are taken too, the oldest is given up.
const (
	maxServing = 64
	maxCatchUp = 32 // of those that have been written to their end

	// catchUpBytes is how much those may hold together, but for one: groups
	// that are begun at once, and outrank each other, leave who reads in order
	// with little to go on with.
	catchUpBytes = 256 << 10
)

// A subscription serves a track to one subscriber.
type subscription struct {
	track *Track
	w     api.TrackWriter
	awake signal.Wake // there may be something to do

	// w has one user at a time: groups are opened by the goroutine that runs
	// the subscription, datagrams come from the track's writer.
	writing sync.Mutex
	left    bool // w is not used any more

	// Guarded by the track.
	config   api.SubscribeConfig
	rule     age.Rule
	start    api.GroupSequence // the first wanted
	numbered bool              // it is wanted by its number
	done     numbers.Set       // offered, sent as datagrams, or lost
	lost     numbers.Gaps      // to be told
	waiting  []*group          // to be served, in order
	opening  *group            // about to be
	serving  []*reader         // in order of their begin
}

func newSubscription(t *Track, w api.TrackWriter) *subscription {
	return &subscription{track: t, w: w, awake: signal.NewWake()}
}

// run serves until the end of the track or of the subscription, and returns
// when all that it has begun is done.
func (s *subscription) run() {
	var working sync.WaitGroup
	defer working.Wait()
	defer s.leave()
	for s.w.Context().Err() == nil {
		g, end := s.step()
		s.tell()
		if g != nil {
			s.serve(g, &working)
			continue
		}
		if end != nil {
			s.finish(end)
			return
		}
		select {
		case <-s.awake:
		case <-s.w.Updated():
			s.update(s.w.Request().Config)
		case <-s.w.Context().Done():
		}
	}
	s.eachServed((*reader).leave)
}

// A loss is a reader that is given up, and why.
type loss struct {
	reader *reader
	code   api.StreamErrorCode
}

// step gives up what is too late, and returns the group to be served next, if
// there is one to be, or the end of the track.
func (s *subscription) step() (g *group, end error) {
	t := s.track
	t.mu.Lock()
	if t.aborted != nil {
		t.mu.Unlock()
		return nil, t.aborted
	}
	s.trim()
	s.settle()
	lost := s.losses()
	g, cut := s.pick()
	s.opening = g
	if cut != nil {
		lost = append(lost, loss{cut, api.StreamTooFarBehind})
	}
	if len(lost) > 0 {
		t.room.Tell()
	}
	if g == nil && t.ended && len(s.waiting) == 0 && len(s.serving) == 0 {
		end = io.EOF
	}
	t.mu.Unlock()
	for _, l := range lost {
		l.reader.giveUp(l.code)
	}
	return g, end
}

// losses takes out the readers of groups that have become too old, were evicted,
// or were reset. The track's lock is held.
func (s *subscription) losses() (lost []loss) {
	s.serving = slices.DeleteFunc(s.serving, func(r *reader) bool {
		switch {
		case r.group.evicted:
			lost = append(lost, loss{r, api.StreamEvicted})
		case r.group.released:
			lost = append(lost, loss{r, api.ErrorCode(r.group.failure())})
		case s.track.cache.tooOld(r.group, s.rule):
			lost = append(lost, loss{r, api.StreamOld})
		default:
			return false
		}
		return true
	})
	return lost
}

// pick takes out the group to be served next: the lowest, or the newest of the
// track while the others wait for a slot. For that the oldest group in service
// may have to make room, which is taken out too. The track's lock is held.
func (s *subscription) pick() (g *group, cut *reader) {
	n := s.wanted()
	if n == 0 {
		return nil, nil
	}
	if s.mayCatchUp() {
		g = s.waiting[0]
		s.waiting = s.waiting[1:]
		return g, nil
	}
	if g = s.waiting[n-1]; g != s.track.cache.last() {
		return nil, nil
	}
	s.waiting = s.waiting[:n-1]
	if len(s.serving) < maxServing {
		return g, nil
	}
	oldest := 0
	for i, r := range s.serving {
		if r.group.seq < s.serving[oldest].group.seq {
			oldest = i
		}
	}
	cut = s.serving[oldest]
	s.serving = slices.Delete(s.serving, oldest, oldest+1)
	return g, cut
}

// mayCatchUp tells whether one more of the groups may be served that the
// subscriber has only to take. The track's lock is held.
func (s *subscription) mayCatchUp() bool {
	n, held := 0, int64(0)
	for _, r := range s.serving {
		if !r.group.isOpen() {
			n++
			held += r.group.held
		}
	}
	return len(s.serving) < maxServing && n < maxCatchUp && held < catchUpBytes
}

// wanted is how many of the groups that wait are before the end of the range:
// at the end, a subscription pauses. The track's lock is held.
func (s *subscription) wanted() int {
	if s.config.EndGroup == 0 {
		return len(s.waiting)
	}
	n, _ := slices.BinarySearchFunc(s.waiting, s.config.EndGroup, bySequence)
	return n
}

// serve begins to copy a group to the subscriber. What cannot be opened is
// left out: the subscriber is about to leave, or was told of it before.
func (s *subscription) serve(g *group, working *sync.WaitGroup) {
	s.writing.Lock()
	w, err := s.w.OpenGroupAt(s.w.Context(), g.seq)
	s.writing.Unlock()
	r := &reader{group: g, w: w}
	s.track.mu.Lock()
	s.opening = nil
	if err != nil {
		s.track.room.Tell()
	} else {
		s.serving = append(s.serving, r)
	}
	s.track.mu.Unlock()
	if err != nil {
		return
	}
	working.Go(func() {
		r.run()
		s.served(r)
	})
}

// served takes out a reader that is done.
func (s *subscription) served(r *reader) {
	s.track.mu.Lock()
	if i := slices.Index(s.serving, r); i >= 0 {
		s.serving = slices.Delete(s.serving, i, i+1)
	}
	s.track.room.Tell()
	s.track.mu.Unlock()
	s.awake.Wake()
}

// finish ends the subscription with its track: returning from the handler
// tells the end, an abort is told here.
func (s *subscription) finish(end error) {
	if end == io.EOF {
		return
	}
	code := api.ErrorCode(end)
	s.writing.Lock()
	_ = s.w.CloseWithError(code)
	s.writing.Unlock()
	s.eachServed(func(r *reader) { r.giveUp(code) })
}

func (s *subscription) eachServed(f func(r *reader)) {
	s.track.mu.Lock()
	serving := slices.Clone(s.serving)
	s.track.mu.Unlock()
	for _, r := range serving {
		f(r)
	}
}

// leave ends the use of w.
func (s *subscription) leave() {
	s.track.leave(s)
	s.writing.Lock()
	defer s.writing.Unlock()
	s.left = true
}

// sendDatagram passes a datagram on. A subscriber whose version has none, or
// whose connection is gone, does without.
func (s *subscription) sendDatagram(d api.Datagram) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.left {
		_ = s.w.SendDatagramAt(d.Sequence, d)
	}
}
