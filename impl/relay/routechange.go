package relay

import (
	"errors"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A reason is why a feed was begun beside or after the current one.
type reason uint8

const (
	saves  reason = iota // there is no current feed
	better               // its route is preferred
	silent               // the current feed is silent
)

// followDemand asks the current feed for what is wanted, and tries another route if
// there is a better one, or no feed.
func (f *filler) followDemand(routes []*route, config api.SubscribeConfig, now time.Time) {
	f.usable, f.config = routes, config
	switch {
	case f.current != nil:
		f.updateCurrent(now)
		f.tryBetter(now)
	case f.next != nil: // on trial
	case len(routes) > 0:
		f.lostAt = time.Time{}
		f.tryRoute(routes[0], saves, now)
	case f.lostAt.IsZero():
		f.lostAt = now.Add(lostFor)
	}
}

// usableRoutes returns those of the routes by which the track may be fed now. A route
// of another origin has to show in a trial that it continues the numbers of this one.
// While the track has no group, nothing can show that, so such a route is used only
// if all viewers begin with what there is. Who asks for a group by its number gets
// the track when the link to its publisher is back, or is told soon that it is lost
// (lostFor), and is led to the other origin, under its own name, when asking again.
// lowest is the lowest number that is asked for; 0 for none.
func (f *filler) usableRoutes(routes []*route, lowest api.GroupSequence, now time.Time) []*route {
	routes = f.refused.filterUsable(routes, now)
	if _, some := f.track.Latest(); some || lowest == 0 {
		return routes
	}
	return slices.DeleteFunc(routes, func(rt *route) bool { return !f.isOfOrigin(rt) })
}

// updateCurrent tells the current feed what is wanted. A feed that began above
// the start that is wanted now is replaced by one that asks for all groups,
// since peers may ignore a start that is lowered later. If the feed has brought
// nothing since it became current, nobody knows whether its publisher continues
// the numbers of the groups held, so the new feed is on trial.
func (f *filler) updateCurrent(now time.Time) {
	config := f.config
	if f.covers(config.StartGroup) {
		f.current.updateConfig(config)
		return
	}
	old := f.current
	old.retireAfter(reorderMax)
	f.expectLower()
	if old.trial.begun.Happened() {
		config.StartGroup = 0
		f.current = f.feedBy(old.route, config, 0)
		return
	}
	f.dropNext()
	f.current = nil
	f.tryRoute(old.route, saves, now)
}

// covers reports whether the groups wanted from start on come by the current
// feed, or have come before.
func (f *filler) covers(start api.GroupSequence) bool {
	asked := f.current.wantedConfig().StartGroup
	f.mu.Lock()
	defer f.mu.Unlock()
	switch known := &f.account; {
	case asked == api.GroupLatest:
		return start == api.GroupLatest || known.hasAny && start >= known.lowest
	case start == api.GroupLatest:
		return asked <= known.next
	default:
		return start >= asked || known.hasAny && start >= known.lowest && asked <= known.next
	}
}

// tryBetter tries the preferred route of the current feed's origin, if that is
// another one than the feed's.
func (f *filler) tryBetter(now time.Time) {
	if f.current == nil {
		return
	}
	var best *route
	for _, rt := range f.usable {
		if best == nil && sameOrigin(rt, f.current.route) {
			best = rt
		}
	}
	trying := f.next != nil && f.next.why == better
	switch {
	case best == nil || best.session == f.current.route.session:
		if trying {
			f.dropNext()
		}
	case f.next == nil, trying && f.next.route.session != best.session:
		f.dropNext()
		f.tryRoute(best, better, now)
	}
}

// tryRoute begins a feed by a route. If the track holds groups, the feed is on
// trial. Else it becomes current if there is no other, or if it is better than
// one that has brought nothing, which may even lead back to this relay. If it is
// of another origin, its groups are for those who subscribe now: later ones may
// ask for numbers of this origin.
func (f *filler) tryRoute(rt *route, why reason, now time.Time) {
	config := f.config
	newest, some := f.track.Latest()
	if !some && !f.isOfOrigin(rt) {
		f.track.Retire()
	}
	if !some || !reaches(&config, newest) {
		f.next = f.feedBy(rt, config, why)
		switch {
		case f.current == nil:
			f.promoteNext(now)
		case why == better && !f.current.trial.begun.Happened():
			f.switchToNext(now)
		}
		return
	}
	config.StartGroup, config.StartFrame = newest, f.heldFrames(newest, rt)
	f.next = f.trialBy(rt, config, why, newest)
	f.judgeAt = now.Add(trialFor)
}

// reaches reports whether a subscription is for a group or one that follows it.
func reaches(c *api.SubscribeConfig, seq api.GroupSequence) bool {
	begins := c.StartGroup <= seq || c.StartGroup == api.GroupLatest
	return begins && (c.EndGroup == 0 || c.EndGroup > seq)
}

// heldFrames returns how many frames are held of a group that is being written,
// if it can go on by rt; else 0.
func (f *filler) heldFrames(seq api.GroupSequence, rt *route) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.groups[seq]; g != nil && sameOrigin(g.first, rt) {
		return g.frames.Load()
	}
	return 0
}

// judgeTrial decides on a feed that has been on trial for trialFor. It reports
// false when the track has ended.
func (f *filler) judgeTrial(now time.Time) bool {
	fd := f.next
	f.judgeAt = time.Time{}
	if fd == nil || fd.trial.begun.Happened() {
		return true
	}
	f.judgeAt = now.Add(trialFor)
	switch {
	case fd.trial.deciding.Load() && fd.isNeedless():
		f.dropNext()
		return true
	case fd.trial.deciding.Load():
		return true
	case fd.trial.lags.Load():
		fd.trial.strange.Happen()
	}
	delivers := f.current != nil && f.heard.Load() != fd.heard
	switch {
	case fd.trial.strange.Happened() && !f.isOfOrigin(fd.route):
		f.refuseNext(errOtherNumbers, strangeFor)
	case fd.trial.strange.Happened() && delivers:
		f.refuseNext(errOtherNumbers, strangeFor)
		f.refused.markRival(fd.route)
	case fd.trial.strange.Happened() && (f.current == nil || now.Sub(fd.since) >= f.longSilence()):
		f.broadcast.beginNew(fd.route)
		return f.abortRestarted()
	case fd.trial.strange.Happened():
	case fd.trial.repeats.Load() && now.Sub(fd.since) < f.nextGroupIn():
	case fd.trial.repeats.Load() && fd.why == silent && f.isOfOrigin(fd.route):
		f.dropNext()
	case fd.trial.repeats.Load():
		f.refuseNext(errOtherNumbers, strangeFor)
	case fd.why == silent && (delivers || fd.all):
		f.dropNext()
	case !fd.all:
		f.dropNext()
		config := fd.wantedConfig()
		config.StartGroup, config.StartFrame = 0, 0
		f.next = f.trialBy(fd.route, config, fd.why, fd.trial.from)
		f.next.all, f.next.since, f.next.heard = true, fd.since, fd.heard
		f.judgeAt = now.Add(trialFor)
	}
	return true
}

// isOfOrigin reports whether a route leads to the publisher of the broadcast.
func (f *filler) isOfOrigin(rt *route) bool { return rt.broadcast.isSamePublisher(f.broadcast) }

var errOtherNumbers = errors.New("its groups have other numbers")

// longSilence returns how long the current feed must be silent before other
// numbers from its publisher count as a new beginning.
func (f *filler) longSilence() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if pace, ok := f.account.pace(); ok {
		return 4 * pace
	}
	return unpacedSilence
}

// nextGroupIn returns how long the group after the newest may take to come. If
// too few came to tell the pace, as in a track of a single group, nothing is
// added for it.
func (f *filler) nextGroupIn() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if pace, ok := f.account.pace(); ok {
		return trialFor + 2*pace
	}
	return trialFor
}

// switchToNext makes next the current feed. The feed before may still bring
// groups that are on the way, unless it is of another publisher and has brought
// nothing yet: its groups would not belong to the track, which next has begun.
func (f *filler) switchToNext(now time.Time) {
	if old := f.current; old != nil {
		if old.trial.begun.Happened() || sameOrigin(old.route, f.next.route) {
			old.retireAfter(reorderMax)
		} else {
			old.stop()
		}
		if f.next.why == silent {
			f.refused.refuseRoute(old.route, now, silentFor)
		}
	}
	f.promoteNext(now)
}

func (f *filler) promoteNext(now time.Time) {
	f.current, f.next, f.judgeAt, f.lostAt = f.next, nil, time.Time{}, time.Time{}
	f.silence, f.heardAt, f.silentAt = minSilence, now, now.Add(listenEvery)
	f.mu.Lock()
	f.feedRoute = f.current.route
	f.feedChanged.Tell()
	f.mu.Unlock()
}

// refuseNext gives up the feed on trial, and does not use its route for a while.
func (f *filler) refuseNext(err error, d time.Duration) {
	f.broadcast.relay.log("no change of route", f.next.route.session, err)
	f.refused.refuseRoute(f.next.route, time.Now(), d)
	f.dropNext()
}

// dropNext gives up the feed on trial.
func (f *filler) dropNext() {
	if f.next != nil {
		f.next.stop()
		f.next, f.judgeAt = nil, time.Time{}
	}
}

// checkSilence tries another route when nothing has come for a while. A feed
// whose publisher was withdrawn is given up when patience tells so. It reports
// false when the track has ended.
func (f *filler) checkSilence(now time.Time) bool {
	heard, again := f.heard.Load(), listenEvery
	left := f.patience(now)
	switch {
	case heard != f.heardBefore:
		f.heardBefore, f.heardAt, f.silence = heard, now, minSilence
	case now.Sub(f.heardAt) < minSilence:
	case left <= 0:
		err := errGone
		select {
		case err = <-f.current.ended():
		default:
			f.current.stop()
		}
		return f.handleLost(err, now)
	default:
		f.silence = min(2*f.silence, maxSilence)
		again = min(f.silence, left)
		f.refused.forgiveRivals()
		demand, _ := f.track.Demand()
		routes, _ := f.broadcast.candidates()
		f.usable = f.usableRoutes(routes, demand.LowestStart, now)
		f.tryAnother(now)
	}
	f.silentAt = now.Add(again)
	return true
}

// patience returns how much longer the current feed may be silent. If its
// publisher was withdrawn, it is not announced to this relay any more, but the
// subscription may go on: with groups, or with the end of the track, which each
// relay on the way may take seconds to pass on. In moq-lite-03 and 04 it cannot
// know which group is the last. So the feed is given time, unless it has brought
// nothing yet: relays that have all lost the publisher may have turned to each
// other, and each wait for the next. One of them, which has most of the track, then
// gets nothing new. Nor is time given if no subscription stands: a session that
// reconnects (package redial) waits for the publisher to come back.
func (f *filler) patience(now time.Time) (left time.Duration) {
	if f.current == nil {
		return maxSilence
	}
	at, withdrawn := f.current.route.withdrawal()
	switch {
	case !withdrawn:
		return maxSilence
	case !f.current.useful.Load(), !f.current.isSubscribed():
		return minSilence - now.Sub(f.heardAt)
	case f.heardAt.After(at):
		at = f.heardAt
	}
	return max(f.longSilence(), unpacedSilence) - now.Sub(at)
}

// tryAnother tries the first usable route of another session than the current
// feed's.
func (f *filler) tryAnother(now time.Time) {
	if f.current == nil || f.next != nil {
		return
	}
	newest, some := f.track.Latest()
	if some && !reaches(&f.config, newest) {
		return
	}
	if start := f.config.StartGroup; !some && start != 0 && start != api.GroupLatest {
		return // what is wanted may not have begun
	}
	for _, rt := range f.usable {
		if rt.session != f.current.route.session {
			f.tryRoute(rt, silent, now)
			return
		}
	}
}

// handleLost handles the end of the current feed. It reports false if the track
// ends too.
func (f *filler) handleLost(err error, now time.Time) bool {
	failed := f.current
	if isTrackEnd(err) {
		f.whole = f.covers(0)
		f.endTrack(now)
		return false
	}
	f.current = nil
	if errors.Is(err, api.ErrRestarted) || err == errMistaken {
		return f.abortRestarted()
	}
	if code, final := trackCode(err); final {
		_ = f.track.CloseWithError(code)
		return false
	}
	f.failed, f.cause = failed.route, err
	f.refused.forgiveRivals()
	f.refused.refuseRoute(failed.route, now, failedFor)
	f.expireMissingAt(now)
	switch {
	case f.next == nil:
	case !f.next.trial.on:
		f.promoteNext(now)
	case f.next.isNeedless():
		f.dropNext() // what is tried next saves the track
	}
	return true
}

// endTrack ends the track regularly, when all groups that can be had have come.
func (f *filler) endTrack(now time.Time) {
	close(f.upstreamEnded)
	f.expireMissingAt(now)
	f.giveUpDue(now)
	asked := make(chan struct{})
	f.working.Go(func() {
		defer close(asked)
		f.asking.Wait()
	})
	select {
	case <-asked:
	case <-f.track.Context().Done():
	case <-f.life.Done():
	}
	_ = f.track.Close()
	f.writing.Wait()
}

// abortRestarted aborts the track because its publisher has begun anew: viewers
// that subscribe again get the new numbers.
func (f *filler) abortRestarted() bool {
	_ = f.track.CloseWithError(api.StreamUnroutable)
	return false
}

// abortUnroutable aborts the track because no route is left. It reports true if
// one has come.
func (f *filler) abortUnroutable(now time.Time) bool {
	f.lostAt = time.Time{}
	demand, _ := f.track.Demand()
	if routes, _ := f.broadcast.candidates(); len(f.usableRoutes(routes, demand.LowestStart, now)) > 0 {
		return true
	}
	code := api.StreamUnroutable
	if f.failed != nil && f.failed.session.Context().Err() == nil { // else what it has reset was a part of that
		code, _ = trackCode(f.cause)
	}
	_ = f.track.CloseWithError(code)
	return false
}
