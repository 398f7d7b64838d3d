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
// write the same groups under the same numbers. Where the standby is announced
// instead, over the same session, a relay goes on with its groups in the
// subscriptions that it serves. So the feed before is kept until it shows what the
// next one is.

// A trial compares the groups of a feed whose publisher was replaced with those of
// the next one, which are held meanwhile. The numbers go on where both bring a
// group of the same number at the same time: then one publisher writes for both.
// They do not where the feed before has ended, or is silent while the next one
// brings groups, or the numbers are far apart, or nothing shows that they go on.
// The track's lock guards it.
type trial struct {
	old, next *feed
	from      api.GroupSequence // after the highest group that had come when it began
	pace      time.Duration     // how long the last group of old took
	began     time.Time
	latest    bool // next was asked for the newest group
	byOld     map[api.GroupSequence]arrival
	byNext    map[api.GroupSequence]arrival
	last      time.Time // when the last group came, by either
	came      signal.Wake
}

// An arrival is when a group came, and since when it was waited for: of one that
// came at once, nobody knows how long it has been there.
type arrival struct{ asked, at time.Time }

// A verdict is what a trial has shown.
type verdict int

const (
	unsettled verdict = iota
	goesOn            // the next feed has the same numbers
	restarts          // it has other ones, or may have
)

// errLeft tells that another session is current.
var errLeft = errors.New("the session was left")

// maxHeld is how many groups a trial holds at most, and keeps in mind of each feed.
const maxHeld = 256

// apart is how far from each other, in groups, the numbers of a publisher and of
// its standby are at most.
const apart = 16

// newTrial begins to compare next with f; nil where there is nothing to compare.
func (t *track) newTrial(f, next *feed) *trial {
	t.mu.Lock()
	defer t.mu.Unlock()
	from, some := t.numbering.following()
	if !some || !t.numbering.isTold() || f.finished() || f.numbering != t.numbering {
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

// try finds out whether next goes on with the numbers of f, and has it do so then.
// Its error is why next is given up.
func (t *track) try(ctx context.Context, f, next *feed) (*feed, error) {
	tr := t.newTrial(f, next)
	if tr == nil {
		return next, nil
	}
	v, err := tr.run(ctx)
	if err != nil {
		next.abandon()
		return nil, err
	}
	if v == goesOn {
		next.same, next.resumed, next.from = true, true, tr.from
	}
	return next, nil
}

// run compares until there is a verdict. Its error is why there is none: ctx has
// ended, or another session is current, or yet another publisher is announced.
func (tr *trial) run(ctx context.Context) (verdict, error) {
	t := tr.old.track
	holding, stop := context.WithCancel(ctx)
	var held signal.Event
	t.session.wg.Go(func() {
		tr.hold(holding)
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
		l, relinked := t.session.now()
		now, announced := tr.next.origin.sight()
		v, due := tr.judge(time.Now())
		switch {
		case l != tr.next.link:
			return unsettled, errLeft
		case now.replaces(tr.next.sight):
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

// hold accepts groups of next, which are passed on when there is a verdict.
func (tr *trial) hold(ctx context.Context) {
	for range maxHeld {
		asked := time.Now()
		g, err := tr.next.reader.AcceptGroup(ctx)
		if err != nil {
			return
		}
		tr.next.held = append(tr.next.held, g)
		tr.note(tr.byNext, g.Sequence(), asked)
	}
}

// note notes a group that has come, and was waited for since asked.
func (tr *trial) note(by map[api.GroupSequence]arrival, seq api.GroupSequence, asked time.Time) {
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

// judge returns the verdict as of now, and while there is none, when to ask again
// though nothing comes.
func (tr *trial) judge(now time.Time) (v verdict, due time.Time) {
	mu := &tr.old.track.mu
	mu.Lock()
	defer mu.Unlock()
	if tr.coincide() {
		return goesOn, due
	}
	if due = tr.due(); !now.Before(due) {
		return restarts, due
	}
	return unsettled, due
}

// coincide tells whether a group came by both feeds at the same time, for which the
// one before was waiting. Of two publishers that are not the same, one may come to
// the number of the other, but no nearer than the duration of a group.
func (tr *trial) coincide() bool {
	within := min(max(tr.pace/4, leastAside), mostAside)
	for seq, old := range tr.byOld {
		next, ok := tr.byNext[seq]
		if ok && seq >= tr.from && old.at.Sub(old.asked) >= within && old.at.Sub(next.at).Abs() <= within {
			return true
		}
	}
	return false
}

// due is when the numbers count as others, if nothing comes that speaks for the
// contrary.
func (tr *trial) due() time.Time {
	if len(tr.byNext) == 0 {
		if tr.last.IsZero() {
			return tr.began.Add(mute)
		}
		return tr.last.Add(mute + tr.pace)
	}
	lowest, newest, first := tr.span()
	if !tr.plausible(newest) {
		if tr.latest {
			return first
		}
		return first.Add(edgeMore) // what is older may come before it
	}
	wait := behind + min(tr.pace, mostPace)
	due := earlier(tr.last.Add(wait), first.Add(max(trialFor, 2*wait)))
	if len(tr.byOld) == 0 {
		due = earlier(due, first.Add(wait))
	}
	due = earlier(due, lacks(tr.byOld, tr.byNext, tr.from))
	return earlier(due, lacks(tr.byNext, tr.byOld, max(lowest, tr.from)))
}

// lacks is when one feed has not brought in time what another one has, of the
// groups from a number on; zero where it has all.
func lacks(by, other map[api.GroupSequence]arrival, from api.GroupSequence) (due time.Time) {
	for seq, a := range other {
		if _, ok := by[seq]; !ok && seq >= from {
			due = earlier(due, a.at.Add(behind))
		}
	}
	return due
}

// span is between which numbers the groups of next are, and when the first came.
func (tr *trial) span() (lowest, newest api.GroupSequence, first time.Time) {
	lowest = math.MaxUint64
	for seq, a := range tr.byNext {
		lowest, newest, first = min(lowest, seq), max(newest, seq), earlier(first, a.at)
	}
	return lowest, newest, first
}

// plausible tells whether the newest group of next is near those of the feed
// before: a standby is as far behind as that may be, or two groups.
func (tr *trial) plausible(newest api.GroupSequence) bool {
	below := api.GroupSequence(apart)
	if tr.pace > 0 {
		below = min(below, 2+api.GroupSequence(behind/tr.pace))
	}
	return newest+1+below >= tr.from && newest <= tr.from+apart
}

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// abandon gives up a feed that has not been run.
func (f *feed) abandon() {
	f.dropHeld()
	_ = f.reader.Close()
	f.stopAccepting()
	f.notNewest()
	f.cutOff(nil)
	f.link.leave(f.origin)
	f.link.release()
}

// dropHeld gives up what was held in a trial.
func (f *feed) dropHeld() {
	for _, g := range f.held {
		g.Cancel(api.StreamCancelled)
	}
	f.held = nil
}

// passHeld passes on what was held in a trial.
func (f *feed) passHeld() {
	for len(f.held) > 0 && f.accepting.Err() == nil {
		g := f.held[0]
		f.held = f.held[1:]
		f.take(g)
	}
}
