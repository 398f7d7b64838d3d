package live

import (
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
	"github.com/moqlite/moqlite/impl/internal/numbers"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// How many groups of one subscription are served at the same time. Groups that
// are complete take at most maxCatchUp of the slots, so that the newest group
// need not wait for older ones that the subscriber takes slowly. If all
// maxServing slots are taken, the newest replaces the oldest. It waits for a slot,
// for fullGrace at most, while some readers are in no write: the subscriber need
// not be slow then, but the track's writers have begun many groups at once.
const (
	maxServing = 64
	fullGrace  = 100 * time.Millisecond
	maxCatchUp = 32 // groups that have been written to their end

	// catchUpBytes bounds what the complete groups being served hold together,
	// except for the last one started. Many groups at once would compete for
	// the link, and a subscriber that reads them in order would wait.
	catchUpBytes = 256 << 10
)

// A subscription serves a track to one subscriber. Its goroutine decides which
// group is next, and each group is copied by a goroutine of its own, which the
// first waits for at the end.
//
// A group that is held and wanted goes from waiting to opening to serving, and
// then leaves. done has every number that was decided, so that a number is
// served or reported once; lost has those that are to be reported.
type subscription struct {
	track *Track
	w     api.TrackWriter
	awake signal.Wake // there may be something to do

	// writing guards the use of w: the goroutine that runs the subscription
	// opens groups, the track's writers send datagrams.
	writing  sync.Mutex
	detached bool // w is not used any more

	// Guarded by the track.
	config   api.SubscribeConfig
	rule     age.Rule
	start    api.GroupSequence // the first wanted
	numbered bool              // start is a number that was asked for, or that w has begun with
	edge     bool              // the newest group is wanted, and nothing was passed to w; changed with writing held too
	done     numbers.Set       // numbers offered, sent as datagrams, or lost
	lost     numbers.Gaps      // still to be reported
	waiting  []*group          // to be served, in order of their numbers
	opening  *group            // whose stream is being opened
	serving  []*reader         // in the order in which they began

	fullSince time.Time // all slots have been taken since; zero if one is free
}

func newSubscription(t *Track, w api.TrackWriter) *subscription {
	return &subscription{track: t, w: w, awake: signal.NewWake()}
}

// serveTrack serves until the end of the track or of the subscription, and returns
// when all readers have ended.
func (s *subscription) serveTrack() {
	var working sync.WaitGroup
	defer working.Wait()
	defer s.detach()
	for s.w.Context().Err() == nil {
		g, end := s.step()
		s.reportGaps()
		if g != nil {
			s.startReader(g, &working)
			continue
		}
		if end != nil {
			s.endWithTrack(end)
			return
		}
		select {
		case <-s.awake:
		case <-s.w.Updated():
			s.applyUpdate(s.w.Request().Config)
		case <-s.w.Context().Done():
		}
	}
	s.eachReader((*reader).endWithSubscription)
}

// A lostReader is a reader to be stopped, and the code for its subscriber.
type lostReader struct {
	reader *reader
	code   api.StreamErrorCode
}

// step stops the readers of groups that are too old, and returns the group to
// be served next, or the end of the track. Readers are stopped after the lock is
// released, since that cancels their writers.
func (s *subscription) step() (g *group, end error) {
	t := s.track
	t.mu.Lock()
	if t.aborted != nil {
		t.mu.Unlock()
		return nil, t.aborted
	}
	s.dropStale()
	s.addUnwritten()
	lost := s.removeLost()
	if len(s.serving) < maxServing {
		s.fullSince = time.Time{}
	}
	g, cut := s.pickGroup()
	s.opening = g
	if cut != nil {
		lost = append(lost, lostReader{cut, api.StreamTooFarBehind})
	}
	if len(lost) > 0 {
		t.room.Tell()
	}
	if g == nil && t.ended && len(s.waiting) == 0 && len(s.serving) == 0 {
		end = io.EOF
	}
	t.mu.Unlock()
	for _, l := range lost {
		l.reader.abort(l.code)
	}
	return g, end
}

// removeLost removes the readers of groups that have become too old, were evicted,
// or were reset. The track's lock is held.
func (s *subscription) removeLost() (lost []lostReader) {
	s.serving = slices.DeleteFunc(s.serving, func(r *reader) bool {
		switch {
		case r.group.evicted:
			lost = append(lost, lostReader{r, api.StreamEvicted})
		case r.group.released:
			lost = append(lost, lostReader{r, api.ErrorCode(r.group.resetError())})
		case s.track.cache.tooOld(r.group, s.rule):
			lost = append(lost, lostReader{r, api.StreamOld})
		default:
			return false
		}
		return true
	})
	return lost
}

// pickGroup removes the next group to be served from waiting: the lowest, or, if
// there is no slot for that, the newest of the track. If no slot is free for the
// newest either, it also removes a reader, which is to be stopped. The track's lock
// is held.
func (s *subscription) pickGroup() (g *group, cut *reader) {
	n := s.countWanted()
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
	if s.isFull() {
		i := s.findOldest()
		if i < 0 {
			return nil, nil
		}
		cut = s.serving[i]
		s.serving = slices.Delete(s.serving, i, i+1)
	}
	s.waiting = s.waiting[:n-1]
	return g, cut
}

// isFull reports whether all slots are taken. If they just became so, it has the
// subscription look again after fullGrace. The track's lock is held.
func (s *subscription) isFull() bool {
	full := len(s.serving) >= maxServing
	if full && s.fullSince.IsZero() {
		s.fullSince = time.Now()
		time.AfterFunc(fullGrace, s.awake.Wake)
	}
	return full
}

// findOldest returns the index of the oldest reader, which the newest group replaces. It
// returns -1 if the slots have not been taken for fullGrace, and not all readers are in a
// write. The track's lock is held.
func (s *subscription) findOldest() int {
	oldest, blocked := 0, true
	for i, r := range s.serving {
		if r.group.seq < s.serving[oldest].group.seq {
			oldest = i
		}
		blocked = blocked && r.isWriting()
	}
	if !blocked && time.Since(s.fullSince) < fullGrace {
		return -1
	}
	return oldest
}

// mayCatchUp reports whether one more of the waiting groups may be served. The
// track's lock is held.
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

// countWanted returns how many of the waiting groups are before the end of the
// range: at the end, a subscription pauses. The track's lock is held.
func (s *subscription) countWanted() int {
	if s.config.EndGroup == 0 {
		return len(s.waiting)
	}
	n, _ := slices.BinarySearchFunc(s.waiting, s.config.EndGroup, bySequence)
	return n
}

// startReader begins to copy a group to the subscriber. If the group cannot be
// opened, it is left out: the subscriber is about to leave, or was told that it
// is lost.
func (s *subscription) startReader(g *group, working *sync.WaitGroup) {
	w, err := s.openGroup(g.seq)
	r := &reader{group: g, w: w}
	s.track.mu.Lock()
	s.opening = nil
	if err == nil {
		s.serving = append(s.serving, r)
	} else {
		s.track.room.Tell()
	}
	if err == errBelowStart {
		s.done.RemoveSpan(g.seq, g.seq+1) // it may be wanted again
	}
	s.track.mu.Unlock()
	if err != nil {
		return
	}
	working.Go(func() {
		r.copyGroup()
		s.removeReader(r)
	})
}

// errBelowStart is why a group is not opened that is not wanted any more.
var errBelowStart = errors.New("the subscription has begun with a higher number")

// openGroup opens a group of the subscriber.
func (s *subscription) openGroup(seq api.GroupSequence) (api.GroupWriter, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.beginAt(seq) {
		return nil, errBelowStart
	}
	return s.w.OpenGroupAt(s.w.Context(), seq)
}

// removeReader removes a reader that has ended.
func (s *subscription) removeReader(r *reader) {
	s.track.mu.Lock()
	if i := slices.Index(s.serving, r); i >= 0 {
		s.serving = slices.Delete(s.serving, i, i+1)
	}
	s.track.room.Tell()
	s.track.mu.Unlock()
	s.awake.Wake()
}

// endWithTrack ends the subscription with its track. At a regular end,
// returning from the handler is enough; an abort is sent here.
func (s *subscription) endWithTrack(end error) {
	if end == io.EOF {
		return
	}
	code := api.ErrorCode(end)
	s.writing.Lock()
	_ = s.w.CloseWithError(code)
	s.writing.Unlock()
	s.eachReader(func(r *reader) { r.abort(code) })
}

// eachReader calls f without the lock: f may cancel a writer, which may call
// back.
func (s *subscription) eachReader(f func(r *reader)) {
	s.track.mu.Lock()
	serving := slices.Clone(s.serving)
	s.track.mu.Unlock()
	for _, r := range serving {
		f(r)
	}
}

// detach ends the subscription and the use of w.
func (s *subscription) detach() {
	s.track.removeSubscription(s)
	s.writing.Lock()
	defer s.writing.Unlock()
	s.detached = true
}

// sendDatagram passes a datagram on. An error is ignored: the subscriber's
// version has no datagrams, or its connection is gone.
func (s *subscription) sendDatagram(d api.Datagram) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.detached {
		s.beginAt(d.Sequence)
		_ = s.w.SendDatagramAt(d.Sequence, d)
	}
}
