package redial

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// Of two publishers of one path, one may be the hot standby of the other: both
// write the same groups under the same numbers. If the standby is announced
// instead, over the same session, a relay continues its current subscriptions
// with the standby's groups. So the feed before is kept until it shows whether
// the next one brings the same groups.
//
// A trial compares the groups of a feed whose publisher was replaced with those
// of the next one, which are held meanwhile. The numbers go on if both feeds
// bring a group of the same number at the same time: then the peer has both
// from one publisher. They do not if the feed before has ended, or is silent
// while the next one brings groups, or the numbers are far apart, or nothing
// shows in time that they go on. The track's lock guards a trial.
type trial struct {
	old, next *feed
	from      api.GroupSequence // one above the highest group that had come when it began
	pace      time.Duration     // the time between the last two groups of old
	began     time.Time
	latest    bool // next has asked for the newest group
	byOld     map[api.GroupSequence]arrival
	byNext    map[api.GroupSequence]arrival
	last      time.Time // when the last group came, by either feed
	came      signal.Wake
}

// An arrival is when a group came, and when AcceptGroup was called for it: a
// group that is returned at once may have waited for any time.
type arrival struct{ asked, at time.Time }

func (a arrival) waited() time.Duration { return a.at.Sub(a.asked) }

// A verdict is the result of a trial.
type verdict int

const (
	unsettled verdict = iota
	goesOn            // the numbers go on
	restarts          // they do not, or nobody knows
)

// errOtherSession is why a trial ends when another session is current.
var errOtherSession = errors.New("the session was left")

// maxHeld bounds the groups that a trial holds, and those that it remembers of
// each feed.
const maxHeld = 256

// maxApart is the largest distance, in groups, between the numbers of a publisher
// and of its standby.
const maxApart = 16

// newTrial begins to compare next with f. It returns nil if there is nothing to
// compare.
func (t *track) newTrial(f, next *feed) *trial {
	t.mu.Lock()
	defer t.mu.Unlock()
	from, some := t.numbering.nextSequence()
	if !some || !t.numbering.isTold() || f.isDone() || f.numbering != t.numbering {
		return nil
	}
	f.trial = &trial{
		old:    f,
		next:   next,
		from:   from,
		pace:   f.pace,
		began:  time.Now(),
		latest: next.asked.StartGroup == api.GroupLatest,
		byOld:  make(map[api.GroupSequence]arrival),
		byNext: make(map[api.GroupSequence]arrival),
		came:   signal.NewWake(),
	}
	return f.trial
}

// runTrial makes next continue the numbering of f if a trial shows that their
// numbers go on. It returns an error if next was given up.
func (t *track) runTrial(ctx context.Context, f, next *feed) (*feed, error) {
	tr := t.newTrial(f, next)
	if tr == nil {
		return next, nil
	}
	v, err := tr.compare(ctx)
	if err != nil {
		next.releaseUnused()
		return nil, err
	}
	if v == goesOn {
		next.same, next.resumed, next.from = true, true, tr.from
	}
	return next, nil
}

// compare compares until there is a verdict. It returns an error if ctx ends,
// another session is current, or yet another publisher is announced.
func (tr *trial) compare(ctx context.Context) (verdict, error) {
	t := tr.old.track
	holding, stop := context.WithCancel(ctx)
	var held signal.Event
	t.session.wg.Go(func() {
		tr.holdGroups(holding)
		held.Happen()
	})
	defer func() {
		stop()
		<-held.Done()
		t.mu.Lock()
		defer t.mu.Unlock()
		tr.old.trial = nil
	}()
	for {
		l, relinked := t.session.currentLink()
		now, announced := tr.next.watch.current()
		v, due := tr.judge(time.Now())
		switch {
		case l != tr.next.link:
			return unsettled, errOtherSession
		case now.replaces(tr.next.announced):
			return unsettled, errReplaced
		case v != unsettled:
			return v, nil
		}
		timer := time.NewTimer(time.Until(due))
		select {
		case <-timer.C:
		case <-tr.came:
		case <-relinked:
		case <-announced:
		case <-tr.old.done.Done():
			v = restarts
		case <-tr.next.reader.Context().Done():
			v = restarts
		case <-ctx.Done():
			return unsettled, ctx.Err()
		}
		timer.Stop()
		if v != unsettled {
			return v, nil
		}
	}
}

// holdGroups accepts groups of next, which are passed on after the trial.
func (tr *trial) holdGroups(ctx context.Context) {
	for range maxHeld {
		asked := time.Now()
		g, err := tr.next.reader.AcceptGroup(ctx)
		if err != nil {
			return
		}
		tr.next.held = append(tr.next.held, g)
		tr.noteArrival(tr.byNext, g.Sequence(), asked)
	}
}

// noteArrival records a group that has come, for which AcceptGroup was called at
// asked.
func (tr *trial) noteArrival(by map[api.GroupSequence]arrival, seq api.GroupSequence, asked time.Time) {
	now := time.Now()
	mu := &tr.old.track.mu
	mu.Lock()
	defer mu.Unlock()
	if len(by) < maxHeld {
		by[seq] = arrival{asked, now}
		tr.last = now
		tr.came.Wake()
	}
}

// judge returns the verdict as of now or, if there is none yet, when to call it
// again even if no group comes.
func (tr *trial) judge(now time.Time) (v verdict, due time.Time) {
	mu := &tr.old.track.mu
	mu.Lock()
	defer mu.Unlock()
	if tr.coincides() {
		return goesOn, due
	}
	if due = tr.decideAt(); !now.Before(due) {
		return restarts, due
	}
	return unsettled, due
}

// coincides reports whether a group came by both feeds at the same time, while
// both were waiting for it: what the peer already holds when a feed begins comes
// all at once, and may have any number. Groups of the same number of two
// different publishers may come near each other, but rarely nearer than a part
// of a group's duration.
func (tr *trial) coincides() bool {
	within := min(max(tr.pace/4, minAside), maxAside)
	for seq, old := range tr.byOld {
		next, ok := tr.byNext[seq]
		if ok && seq >= tr.from && old.waited() >= within && next.waited() >= within && old.at.Sub(next.at).Abs() <= within {
			return true
		}
	}
	return false
}

// decideAt returns when the numbers count as different, unless a group that comes
// before shows otherwise.
func (tr *trial) decideAt() time.Time {
	if len(tr.byNext) == 0 {
		if tr.last.IsZero() {
			return tr.began.Add(muteFor)
		}
		return tr.last.Add(muteFor + tr.pace)
	}
	lowest, newest, first := tr.span()
	if !tr.plausible(newest) {
		if tr.latest {
			return first
		}
		return first.Add(newerWithin) // an older group may come before the newest
	}
	wait := maxLag + min(tr.pace, maxPace)
	due := earlier(tr.last.Add(wait), first.Add(max(trialFor, 2*wait)))
	if len(tr.byOld) == 0 {
		due = earlier(due, first.Add(wait))
	}
	due = earlier(due, lacks(tr.byOld, tr.byNext, tr.from))
	return earlier(due, lacks(tr.byNext, tr.byOld, max(lowest, tr.from)))
}

// lacks returns when one feed is late with a group, from a number on, that the
// other feed has brought; zero if it has brought all.
func lacks(by, other map[api.GroupSequence]arrival, from api.GroupSequence) (due time.Time) {
	for seq, a := range other {
		if _, ok := by[seq]; !ok && seq >= from {
			due = earlier(due, a.at.Add(maxLag))
		}
	}
	return due
}

// span returns the lowest and the highest number of the groups of next, and
// when the first came.
func (tr *trial) span() (lowest, newest api.GroupSequence, first time.Time) {
	lowest = math.MaxUint64
	for seq, a := range tr.byNext {
		lowest, newest, first = min(lowest, seq), max(newest, seq), earlier(first, a.at)
	}
	return lowest, newest, first
}

// plausible reports whether the newest group of next is near those of the feed
// before: a standby may be late by maxLag, or by two groups.
func (tr *trial) plausible(newest api.GroupSequence) bool {
	below := api.GroupSequence(maxApart)
	if tr.pace > 0 {
		below = min(below, 2+api.GroupSequence(maxLag/tr.pace))
	}
	return newest+1+below >= tr.from && newest <= tr.from+maxApart
}

// earlier returns the earlier of two times; a zero time does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// releaseUnused releases a feed whose passGroups is never called.
func (f *feed) releaseUnused() {
	f.dropHeld()
	_ = f.reader.Close()
	f.stopAccepting()
	f.cancelNewest()
	f.cancelLife(nil)
	f.link.unwatchOrigin(f.watch)
	f.link.removeUse()
}

// dropHeld cancels the groups that were held in a trial.
func (f *feed) dropHeld() {
	for _, g := range f.held {
		g.Cancel(api.StreamCancelled)
	}
	f.held = nil
}

// passHeld passes on the groups that were held in a trial.
func (f *feed) passHeld() {
	for len(f.held) > 0 && f.accepting.Err() == nil {
		g := f.held[0]
		f.held = f.held[1:]
		f.passGroup(g)
	}
}
