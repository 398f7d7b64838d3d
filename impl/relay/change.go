package relay

import (
	"errors"
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

// follow asks the current feed for what is wanted, and tries another route if
// there is a better one, or no feed.
func (f *filler) follow(routes []*route, config api.SubscribeConfig, now time.Time) {
	f.usable, f.config = routes, config
	switch {
	case f.current != nil:
		f.ask(now)
		f.tryBetter(now)
	case f.next != nil: // on trial
	case len(routes) > 0:
		f.lostAt = time.Time{}
		f.try(routes[0], saves, now)
	case f.lostAt.IsZero():
		f.lostAt = now.Add(lostFor)
	}
}

// ask tells the current feed what is wanted. A feed that began above the start
// that is wanted now is replaced by one that asks for all groups, since peers
// may ignore a start that is lowered later. If the feed has brought nothing
// since it became current, nobody knows whether its publisher continues the
// numbers of the groups held, so the new feed is on trial.
func (f *filler) ask(now time.Time) {
	config := f.config
	if f.covers(config.StartGroup) {
		newest, some := f.track.Latest()
		if !some || config.StartGroup <= newest || config.StartGroup == api.GroupLatest {
			config.StartGroup = 0 // it stays
		}
		f.current.update(config)
		return
	}
	old := f.current
	old.retireAfter(settle)
	if old.trial.begun.Happened() {
		config.StartGroup = 0
		f.current = f.feed(old.route, config, 0)
		return
	}
	f.drop()
	f.current = nil
	f.try(old.route, saves, now)
}

// covers reports whether the groups wanted from start on come by the current
// feed, or have come before.
func (f *filler) covers(start api.GroupSequence) bool {
	asked := f.current.wanted().StartGroup
	f.mu.Lock()
	defer f.mu.Unlock()
	switch known := &f.account; {
	case asked == api.GroupLatest:
		return start == api.GroupLatest || known.some && start >= known.lowest
	case start == api.GroupLatest:
		return asked <= known.next
	default:
		return start >= asked || known.some && start >= known.lowest && asked <= known.next
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
			f.drop()
		}
	case f.next == nil, trying && f.next.route.session != best.session:
		f.drop()
		f.try(best, better, now)
	}
}

// try begins a feed by a route. If the track holds groups, the feed is on
// trial. Else it becomes current if there is no other, or if it is better than
// one that has brought nothing, which may even lead back to this relay.
func (f *filler) try(rt *route, why reason, now time.Time) {
	config := f.config
	newest, some := f.track.Latest()
	if !some || !reaches(&config, newest) {
		f.next = f.feed(rt, config, why)
		switch {
		case f.current == nil:
			f.promote(now)
		case why == better && !f.current.trial.begun.Happened():
			f.changeOver(now)
		}
		return
	}
	config.StartGroup, config.StartFrame = newest, f.framesOf(newest, rt)
	f.next = f.trial(rt, config, why, newest)
	f.judgeAt = now.Add(trialFor)
}

// reaches reports whether a subscription is for a group or one that follows it.
func reaches(c *api.SubscribeConfig, seq api.GroupSequence) bool {
	begins := c.StartGroup <= seq || c.StartGroup == api.GroupLatest
	return begins && (c.EndGroup == 0 || c.EndGroup > seq)
}

// framesOf returns how many frames are held of a group that is being written,
// if it can go on by rt; else 0.
func (f *filler) framesOf(seq api.GroupSequence, rt *route) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.groups[seq]; g != nil && sameOrigin(g.first, rt) {
		return g.frames.Load()
	}
	return 0
}

// judge decides on a feed that has been on trial for trialFor. It reports false
// when the track has ended.
func (f *filler) judge(now time.Time) bool {
	fd := f.next
	f.judgeAt = time.Time{}
	if fd == nil || fd.trial.begun.Happened() {
		return true
	}
	f.judgeAt = now.Add(trialFor)
	switch {
	case fd.trial.deciding.Load() && fd.isNeedless():
		f.drop()
		return true
	case fd.trial.deciding.Load():
		return true
	case fd.trial.lags.Load():
		fd.trial.strange.Happen()
	}
	delivers := f.current != nil && f.heard.Load() != fd.heard
	switch {
	case fd.trial.strange.Happened() && !f.isOfOrigin(fd.route):
		f.refuse(errStrange, strangeFor)
	case fd.trial.strange.Happened() && delivers:
		f.refuse(errStrange, strangeFor)
		f.refused.markRival(fd.route)
	case fd.trial.strange.Happened() && (f.current == nil || now.Sub(fd.since) >= f.longSilence()):
		f.broadcast.beginsAnew(fd.route)
		return f.restart()
	case fd.trial.strange.Happened():
	case fd.trial.repeats.Load() && now.Sub(fd.since) < f.nextGroup():
	case fd.trial.repeats.Load() && fd.why == silent && f.isOfOrigin(fd.route):
		f.drop()
	case fd.trial.repeats.Load():
		f.refuse(errStrange, strangeFor)
	case fd.why == silent && (delivers || fd.all):
		f.drop()
	case !fd.all:
		f.drop()
		config := fd.wanted()
		config.StartGroup, config.StartFrame = 0, 0
		f.next = f.trial(fd.route, config, fd.why, fd.trial.from)
		f.next.all, f.next.since, f.next.heard = true, fd.since, fd.heard
		f.judgeAt = now.Add(trialFor)
	}
	return true
}

// isOfOrigin reports whether a route leads to the publisher of the broadcast.
func (f *filler) isOfOrigin(rt *route) bool { return rt.broadcast.is(f.broadcast) }

var errStrange = errors.New("its groups have other numbers")

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

// nextGroup returns how long the group after the newest may take to come. If
// too few came to tell the pace, as in a track of a single group, nothing is
// added for it.
func (f *filler) nextGroup() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if pace, ok := f.account.pace(); ok {
		return trialFor + 2*pace
	}
	return trialFor
}

// changeOver makes next the current feed. The feed before may still bring
// groups that are on the way, unless it is of another publisher and has brought
// nothing yet: its groups would not belong to the track, which next has begun.
func (f *filler) changeOver(now time.Time) {
	if old := f.current; old != nil {
		if old.trial.begun.Happened() || sameOrigin(old.route, f.next.route) {
			old.retireAfter(settle)
		} else {
			old.stop()
		}
		if f.next.why == silent {
			f.refused.add(old.route, now, silentFor)
		}
	}
	f.promote(now)
}

func (f *filler) promote(now time.Time) {
	f.current, f.next, f.judgeAt, f.lostAt = f.next, nil, time.Time{}, time.Time{}
	f.silence, f.silentAt = leastSilence, now.Add(leastSilence)
	f.mu.Lock()
	f.feeding = f.current.route
	f.fed.Tell()
	f.mu.Unlock()
}

// refuse gives up the feed on trial, and does not use its route for a while.
func (f *filler) refuse(err error, d time.Duration) {
	f.broadcast.relay.log("no change of route", f.next.route.session, err)
	f.refused.add(f.next.route, time.Now(), d)
	f.drop()
}

// drop gives up the feed on trial.
func (f *filler) drop() {
	if f.next != nil {
		f.next.stop()
		f.next, f.judgeAt = nil, time.Time{}
	}
}

// checkSilence tries another route when nothing has come for a while. A feed
// whose publisher was withdrawn is ended then: if its session reconnects
// (package redial), the feed would wait for the publisher to come back. It
// reports false when the track has ended.
func (f *filler) checkSilence(now time.Time) bool {
	heard := f.heard.Load()
	switch {
	case heard != f.heardBefore:
		f.heardBefore, f.silence = heard, leastSilence
	case f.current != nil && f.current.route.isWithdrawn():
		f.current.stop()
		return f.lost(errGone, now)
	default:
		f.silence = min(2*f.silence, mostSilence)
		f.refused.forgive()
		routes, _ := f.broadcast.candidates()
		f.usable = f.refused.usable(routes, now)
		f.tryAnother(now)
	}
	f.silentAt = now.Add(f.silence)
	return true
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
			f.try(rt, silent, now)
			return
		}
	}
}

// lost handles the end of the current feed. It reports false if the track ends
// too.
func (f *filler) lost(err error, now time.Time) bool {
	failed := f.current
	if ended(err) {
		f.whole = f.covers(0)
		f.finish(now)
		return false
	}
	f.current = nil
	if errors.Is(err, api.ErrRestarted) || err == errMistaken {
		return f.restart()
	}
	if code, final := trackCode(err); final {
		_ = f.track.CloseWithError(code)
		return false
	}
	f.failed, f.cause = failed.route, err
	f.refused.forgive()
	f.refused.add(failed.route, now, failedFor)
	f.hasten(now)
	switch {
	case f.next == nil:
	case !f.next.trial.on:
		f.promote(now)
	case f.next.isNeedless():
		f.drop() // what is tried next saves the track
	}
	return true
}

// finish ends the track regularly, when all groups that can be had have come.
func (f *filler) finish(now time.Time) {
	close(f.over)
	f.hasten(now)
	f.giveUp(now)
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

// restart aborts the track because its publisher has begun anew: viewers that
// subscribe again get the new numbers.
func (f *filler) restart() bool {
	_ = f.track.CloseWithError(api.StreamUnroutable)
	return false
}

// fail aborts the track because no route is left. It reports true if one has
// come.
func (f *filler) fail(now time.Time) bool {
	f.lostAt = time.Time{}
	if routes, _ := f.broadcast.candidates(); len(f.refused.usable(routes, now)) > 0 {
		return true
	}
	code := api.StreamUnroutable
	if f.failed != nil && f.failed.session.Context().Err() == nil { // else what it has reset was a part of that
		code, _ = trackCode(f.cause)
	}
	_ = f.track.CloseWithError(code)
	return false
}
