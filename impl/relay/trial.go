package relay

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A trial is the time in which a feed shows that its groups belong to the
// track. A subscription belongs to the route by which it was made, and numbers
// go on only within one origin. So a feed must bring a group that goes on with
// the numbers before, and its route must still be announced a moment after
// that. Until then its groups are held. The feed begins when they are passed to
// the track; it is strange if a group has come that does not go on. The first
// feed of a track has nothing to go on with: its groups are passed on at once,
// and the track is restarted if its route is replaced in the moment after.
//
// Another publisher is a standby if it writes the same groups at the same time:
// a group must come that is due about now, and none that should come later. A
// group with the number of the newest one proves nothing by itself, for a
// standby or while the current feed is silent.
type trial struct {
	on             bool              // its numbers are compared with those before
	holds          bool              // the track had groups when the feed was made
	from           api.GroupSequence // where its groups must begin; not on: the first that was not known
	begun, strange signal.Event
	repeats        atomic.Bool
	lags           atomic.Bool // a group came that should have come before
	deciding       atomic.Bool // decideAt is set

	// Used only by passGroups.
	held     []api.GroupReader
	seen     bool      // a group has come
	decideAt time.Time // when it is decided whether the feed begins; zero: not yet
}

// errUndecided is returned by accept when the decision is due. errMistaken ends
// a feed whose groups may be those of another publisher.
var (
	errUndecided = errors.New("it is to be decided whether the feed begins")
	errMistaken  = errors.New("its groups may be of another publisher")
)

// acceptGroup returns the next group, or errUndecided when the decision is due, or
// gaps are to be asked for. While no more groups can be held until then, they wait in
// the session.
func (fd *feed) acceptGroup(r api.TrackReader) (g api.GroupReader, err error) {
	at := earliest(fd.trial.decideAt, fd.gapsAt)
	fd.gapsAt = time.Time{}
	if at.IsZero() {
		return r.AcceptGroup(fd.accepting)
	}
	ctx, cancel := context.WithDeadline(fd.accepting, at)
	defer cancel()
	if len(fd.trial.held) < maxHeld {
		g, err = r.AcceptGroup(ctx)
	} else {
		<-ctx.Done()
		err = ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) && fd.accepting.Err() == nil {
		err = errUndecided
	}
	return g, err
}

// decideIn sets when it is decided whether the feed begins, unless that is set.
func (t *trial) decideIn(d time.Duration) {
	if t.decideAt.IsZero() {
		t.decideAt = time.Now().Add(d)
		t.deciding.Store(true)
		t.lags.Store(false)
	}
}

// decideTrial lets the feed begin if the time for it has come and nothing speaks
// against it. Its error ends the feed.
func (fd *feed) decideTrial(now time.Time, reading *sync.WaitGroup) error {
	t := &fd.trial
	if t.decideAt.IsZero() || now.Before(t.decideAt) {
		return nil
	}
	t.decideAt = time.Time{}
	t.deciding.Store(false)
	switch {
	case !t.holds && fd.route.isReplaced():
		return errMistaken
	case !t.holds, t.strange.Happened():
		return nil
	case !fd.route.isAnnounced():
		return errGone
	case fd.isNeedless():
		return nil
	case t.on:
		fd.filler.allowMissing()
	}
	t.begun.Happen()
	for _, g := range t.held {
		fd.passGroup(g, reading)
	}
	t.held = nil
	if !t.on {
		fd.filler.limitMissing(t.from)
	}
	return nil
}

// isNeedless reports whether the feed was tried because the current one was
// silent, which it is no more. Its peer may be a relay that is fed from here,
// whose groups came here before.
func (fd *feed) isNeedless() bool {
	return fd.why == silent && fd.filler.heard.Load() != fd.heard
}

// maxHeld is how many groups a feed on trial holds at most.
const maxHeld = 64

// holdGroup keeps a group until it is decided whether the feed begins. If that may
// take long, only the newest ones are kept; the others are missing then.
func (t *trial) holdGroup(g api.GroupReader) {
	if len(t.held) == maxHeld {
		t.held[0].Cancel(api.StreamCancelled)
		t.held = slices.Delete(t.held, 0, 1)
	}
	t.held = append(t.held, g)
}

// cancelHeld cancels the groups that are held.
func (t *trial) cancelHeld() {
	for _, g := range t.held {
		g.Cancel(api.StreamCancelled)
	}
}

// A verdict is what a group says about the feed on trial that brings it.
type verdict uint8

const (
	repeats verdict = iota // nothing yet: it is the newest group, which is held
	differs                // its number does not go on with those before
	overdue                // a standby would have sent it before
	isEarly                // nothing yet: it was there before a standby would send it
	isDue                  // a standby would send it about now
	goesOn                 // its number goes on
)

// handleGroup handles a group that has come after the feed has waited for it.
func (fd *feed) handleGroup(g api.GroupReader, waited time.Duration, reading *sync.WaitGroup) {
	t := &fd.trial
	if !t.holds && !t.seen {
		t.seen = true
		t.begun.Happen()
		t.decideIn(crossingWait)
	}
	if t.begun.Happened() {
		fd.passGroup(g, reading)
		return
	}
	v := goesOn
	switch {
	case t.strange.Happened():
		v = differs
	case t.on:
		v = fd.filler.judgeGroup(fd, g.Sequence(), waited, time.Now())
	}
	switch v {
	case repeats:
		t.repeats.Store(true)
	case differs:
		t.strange.Happen()
	case overdue:
		t.lags.Store(!t.deciding.Load())
	case isDue:
		t.decideIn(maxAside)
	case goesOn:
		t.decideIn(crossingWait)
	}
	if v >= overdue {
		t.holdGroup(g)
	} else {
		g.Cancel(api.StreamCancelled)
	}
}

// judgeGroup judges a group of a feed on trial. If the feed has not waited for it, it
// may have been written long before.
func (f *filler) judgeGroup(fd *feed, seq api.GroupSequence, waited time.Duration, now time.Time) verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	standby := f.newestBy != nil && !sameOrigin(f.newestBy, fd.route)
	early, within, known := f.account.earliness(seq, now)
	from := fd.trial.from
	switch {
	case seq == from && (standby || fd.why == silent):
		return repeats
	case seq < from:
		return differs
	case standby && !known, known && early > within && (standby || fd.why == better):
		return differs
	case standby && early < -within:
		return overdue
	case standby && early > maxAside && waited < maxAside/4:
		return isEarly
	case standby:
		return isDue
	case !f.account.isPlausible(seq, now):
		return differs
	}
	return goesOn
}

// knownEnd returns one above the highest group that came or is missing, and
// whether any has come.
func (f *filler) knownEnd() (next api.GroupSequence, some bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.account.next, f.account.hasAny
}

// allowMissing gives the missing groups until reorderMax to come, since a feed
// on trial goes on with the numbers before.
func (f *filler) allowMissing() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reorderUntil = time.Now().Add(reorderMax)
	f.account.dueBy(0, f.reorderUntil)
	f.changed.Wake()
}

// limitMissing limits how long the relay waits for the groups from a number on that
// a renewed feed leaves out. Nobody asked for them while they were new, so the
// publisher may not have them. Where its version does not tell how long it keeps
// groups, viewers would learn of the loss late.
func (f *filler) limitMissing(from api.GroupSequence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lowestAt = time.Now()
	f.account.dueBy(from, f.lowestAt.Add(age.DefaultMax))
	f.changed.Wake()
}
