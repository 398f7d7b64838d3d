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
	// idleFor is how long a track without readers is kept, so that a reader who
	// comes back soon finds the groups held.
	idleFor = 2 * time.Second

	// lostFor is how long a track without a route is kept: its publisher may
	// come back in that time, or another with the same numbers.
	lostFor = 600 * time.Millisecond

	// trialFor is how long a feed on trial may be silent, or bring only other
	// numbers, before it is judged.
	trialFor = time.Second

	// If the current feed is silent, the filler tries another route: after
	// minSilence first, and then after twice the time before, up to
	// maxSilence. While frames come, it looks each listenEvery whether they
	// still do. The two together are less than the default max age, so that
	// what the other route has of the silence is not too old.
	minSilence  = 3 * time.Second
	maxSilence  = time.Minute
	listenEvery = time.Second

	// unpacedSilence is how long a track may be silent if too few groups came
	// to know its pace, or if its publisher was withdrawn and may have ended it.
	unpacedSilence = 10 * time.Second
)

// How long a track does not use a route again that has failed, was silent, or has
// other numbers.
const (
	failedFor  = 10 * time.Second
	silentFor  = 30 * time.Second
	strangeFor = time.Hour
)

// A filler feeds a track from upstream while somebody reads it. Its goroutine
// runs step until the track's end; see doc.go for the states.
//
// A next feed asks for the newest group that is held: a feed that continues the
// numbers has it, or a later one. If nothing comes for trialFor, the filler
// asks for all groups, which shows what numbers the feed has.
type filler struct {
	broadcast *broadcast
	name      api.TrackName
	track     *live.Track
	asker     api.Session // the session that asked for the track first
	slot      slot        // reserved for the first feed

	life    context.Context // ends with the filler, and with it all that it began
	working sync.WaitGroup  // for feeds,
	writing sync.WaitGroup  // for groups,
	asking  sync.WaitGroup  // and for fetches of missing groups

	usable        []*route            // as they are now
	config        api.SubscribeConfig // what the viewers want now
	current, next *feed
	refused       refusals
	failed        *route        // of the last feed that has failed,
	cause         error         // and why
	whole         bool          // the track has ended, and was read from its beginning
	silence       time.Duration // after which another route is tried
	heardBefore   uint64        // the value of heard at the last check of silence
	heardAt       time.Time     // when a check last found that frames had come

	// When the next check of each kind is due; zero for never.
	idleAt, lostAt, judgeAt, silentAt, missingAt, headAt time.Time

	changed       signal.Wake   // the missing groups have changed
	fetching      chan struct{} // a semaphore for fetches
	heard         atomic.Uint64 // counts the frames of all groups
	upstreamEnded chan struct{} // closed when the publisher has ended the track

	mu           sync.Mutex
	groups       map[api.GroupSequence]*group // those being written
	account      account
	feedRoute    *route        // the route of the current feed, or of the last one
	feedChanged  signal.Notice // feeding has changed
	newestBroken bool          // the newest group broke off and was given up
	newestBy     *route        // the route by which the newest group began
	reorderUntil time.Time     // until then, groups may come in any order
	lowestAt     time.Time     // when a group came below all others; zero until a new feed has begun
}

// fill feeds a track until its end. A track that ended regularly is then kept
// for a while.
func fill(b *broadcast, req api.TrackRequest, track *live.Track, counted slot) {
	f := &filler{
		broadcast:     b,
		name:          req.Name,
		asker:         req.Session,
		track:         track,
		slot:          counted,
		refused:       make(refusals),
		silence:       minSilence,
		idleAt:        time.Now().Add(idleFor),
		changed:       signal.NewWake(),
		fetching:      make(chan struct{}, maxFetching),
		upstreamEnded: make(chan struct{}),
		groups:        make(map[api.GroupSequence]*group),
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
		f.keepEnded(timer)
	}
}

// step begins and updates feeds as the demand and the routes require, and then
// waits for a change. It reports false when the track has ended.
func (f *filler) step(timer *time.Timer) bool {
	demand, demandChanged := f.track.Demand()
	routes, routesChanged := f.broadcast.candidates()
	now := time.Now()
	switch {
	case demand.Subscribers > 0:
		f.idleAt = time.Time{}
		f.followDemand(f.usableRoutes(routes, demand.LowestStart, now), demand.Config, now)
	case f.current == nil && (f.cause != nil || len(routes) == 0): // nothing to keep it for
		return !f.track.CloseIdle()
	default:
		f.idleAt = earliest(f.idleAt, now.Add(idleFor))
	}
	f.headAt = f.reportHead(demand.LowestStart, now)
	timer.Reset(time.Until(f.nextDue()))
	select {
	case <-demandChanged:
	case <-routesChanged:
	case <-f.changed:
		f.missingAt = time.Now()
	case <-f.track.Context().Done():
		return false
	case <-timer.C:
		return f.runDue(time.Now())
	case err := <-f.current.ended():
		return f.handleLost(err, time.Now())
	case <-f.next.started():
		f.switchToNext(time.Now())
	case err := <-f.next.ended():
		f.refuseNext(err, failedFor)
	}
	return true
}

// nextDue returns the time of the earliest check that is due.
func (f *filler) nextDue() time.Time {
	next := f.idleAt
	for _, at := range []time.Time{f.lostAt, f.judgeAt, f.silentAt, f.missingAt, f.headAt} {
		next = earliest(next, at)
	}
	if next.IsZero() {
		next = time.Now().Add(time.Hour)
	}
	return next
}

// runDue makes the checks that are due. It reports false when the track has ended.
func (f *filler) runDue(now time.Time) bool {
	isDue := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if isDue(f.missingAt) {
		f.missingAt = f.giveUpDue(now)
	}
	if isDue(f.silentAt) && !f.checkSilence(now) {
		return false
	}
	switch {
	case isDue(f.idleAt):
		f.idleAt = now.Add(idleFor)
		return !f.track.CloseIdle()
	case isDue(f.lostAt):
		return f.abortUnroutable(now)
	case isDue(f.judgeAt):
		return f.judgeTrial(now)
	}
	return true
}
