package relay

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/impl/live"
)

const (
	// idleFor is how long a track that nobody reads is kept: who comes back
	// soon finds what is held.
	idleFor = 2 * time.Second

	// lostFor is how long a track without a route is kept: its publisher may
	// be back by then, or another of the same numbers.
	lostFor = 600 * time.Millisecond

	// trialFor is how long a feed on trial may be silent, or bring other
	// numbers alone, before it is judged.
	trialFor = time.Second

	// Silence of the current feed makes the filler try another route: after
	// leastSilence first, and twice that each time, up to mostSilence.
	leastSilence = 3 * time.Second
	mostSilence  = time.Minute

	// unpacedSilence is how long a track may be silent of which too few groups
	// came to tell what is long for it.
	unpacedSilence = 10 * time.Second
)

// How long a route is not used again for a track: that failed, or was silent, or
// has other numbers.
const (
	failedFor  = 10 * time.Second
	silentFor  = 30 * time.Second
	strangeFor = time.Hour
)

// A filler keeps a track fed from upstream while somebody reads it. Of its two
// feeds, current brings the track's groups, and next is on trial to do so
// instead:
//
//	current  next   state
//	no       no     Idle, while nobody has subscribed. Lost, when no route works:
//	                after lostFor the track ends.
//	yes      no     Fed.
//	yes      yes    Changing: by a better route, or since current is silent. What
//	                next brings first makes it current, if it goes on with the
//	                numbers and the route stands (see trial). If it has other numbers alone, it is dropped; and if
//	                current is silent meanwhile, the publisher has begun anew,
//	                and the track ends, for its viewers to ask again.
//	no       yes    Saving: current has failed. As Changing; if next is of
//	                another origin and has other numbers, another route is
//	                tried.
//
// A next feed asks for the newest group that is held: who goes on has it, or a
// later one. If nothing comes for trialFor, it is asked for all there is, which
// shows what numbers it has. A track that was fed ends in order with its
// publisher's, and at once with a code of the publisher's own.
type filler struct {
	broadcast *broadcast
	name      api.TrackName
	track     *live.Track
	asker     api.Session // who has asked for the track first
	slot      slot        // for the first feed

	life    context.Context // of all that the filler has begun
	working sync.WaitGroup  // for feeds,
	writing sync.WaitGroup  // for groups,
	asking  sync.WaitGroup  // and for gaps that are asked for again

	usable        []*route            // as they are now
	config        api.SubscribeConfig // what is wanted now
	current, next *feed
	refused       refusals
	failed        *route        // of the last feed that has failed,
	cause         error         // and why
	silence       time.Duration // after which another route is tried
	heardBefore   uint64        // what heard was when silence began to be counted

	// When something is to be done; zero for never.
	idleAt, lostAt, judgeAt, silentAt, missingAt time.Time

	changed  signal.Wake   // what is missing has changed
	fetching chan struct{} // holds as many as fetch
	heard    atomic.Uint64 // counts frames
	over     chan struct{} // closed when the publisher has ended the track

	mu       sync.Mutex
	groups   map[api.GroupSequence]*group // being written
	account  account
	feeding  *route        // of the current feed, or the last one
	fed      signal.Notice // of feeding
	torn     bool          // the newest group broke off, and did not go on
	newestBy *route        // that has begun the newest group
	settled  time.Time     // groups may come in any order until then
}

// fill feeds a track until its end, and keeps it for a while.
func fill(b *broadcast, req api.TrackRequest, track *live.Track, counted slot) {
	f := &filler{
		broadcast: b,
		name:      req.Name,
		asker:     req.Session,
		track:     track,
		slot:      counted,
		refused:   make(refusals),
		silence:   leastSilence,
		idleAt:    time.Now().Add(idleFor),
		changed:   signal.NewWake(),
		fetching:  make(chan struct{}, maxFetching),
		over:      make(chan struct{}),
		groups:    make(map[api.GroupSequence]*group),
	}
	var stop context.CancelFunc
	f.life, stop = context.WithCancel(b.relay.life.context())
	timer := time.NewTimer(idleFor)
	defer timer.Stop()
	for f.step(timer) {
	}
	if f.slot.release != nil {
		f.slot.release()
	}
	stop()
	f.working.Wait()
	f.writing.Wait()
	if context.Cause(track.Context()) == api.ErrClosed {
		f.linger(timer)
	}
}

// step brings the feeds in line with what is wanted, and waits for a change. It
// reports false when the track has ended.
func (f *filler) step(timer *time.Timer) bool {
	demand, demandChanged := f.track.Demand()
	routes, routesChanged := f.broadcast.candidates()
	now := time.Now()
	switch {
	case demand.Subscribers > 0:
		f.idleAt = time.Time{}
		f.follow(f.refused.usable(routes, now), demand.Config, now)
	case f.current == nil && (f.cause != nil || len(routes) == 0): // nothing to keep it for
		return !f.track.CloseIdle()
	default:
		f.idleAt = earliest(f.idleAt, now.Add(idleFor))
	}
	timer.Reset(time.Until(f.nextDue()))
	select {
	case <-demandChanged:
	case <-routesChanged:
	case <-f.changed:
		f.missingAt = time.Now()
	case <-f.track.Context().Done():
		return false
	case <-timer.C:
		return f.due(time.Now())
	case err := <-f.current.ended():
		return f.lost(err, time.Now())
	case <-f.next.started():
		f.changeOver(time.Now())
	case err := <-f.next.ended():
		f.refuse(err, failedFor)
	}
	return true
}

// nextDue is the earliest of what is to be done.
func (f *filler) nextDue() time.Time {
	next := f.idleAt
	for _, at := range []time.Time{f.lostAt, f.judgeAt, f.silentAt, f.missingAt} {
		next = earliest(next, at)
	}
	if next.IsZero() {
		next = time.Now().Add(time.Hour)
	}
	return next
}

// due does what is to be done by now. It reports false when the track has
// ended.
func (f *filler) due(now time.Time) bool {
	isDue := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if isDue(f.missingAt) {
		f.missingAt = f.giveUp(now)
	}
	if isDue(f.silentAt) && !f.checkSilence(now) {
		return false
	}
	switch {
	case isDue(f.idleAt):
		f.idleAt = now.Add(idleFor)
		return !f.track.CloseIdle()
	case isDue(f.lostAt):
		return f.fail(now)
	case isDue(f.judgeAt):
		return f.judge(now)
	}
	return true
}
