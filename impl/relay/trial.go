package relay

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A trial is where a feed shows that its groups belong to the track. A
// subscription belongs to the route that brought it, and numbers go on only
// within one origin: the route must still be announced a moment after the first
// group has come, and the first that come must go on with the numbers before.
// Until then they are held. A feed begins when they are let in; it is strange when
// one has come that does not go on. The first feed of a track has nothing to go
// on with: what it brings is let in at once, and the track restarted if its route
// is replaced in the moment after.
//
// Another publisher is a standby if it writes the same groups at the same time:
// one must come that is due about now, and none that should come later. That it
// repeats the number of the newest group tells nothing yet, nor does it where the
// current feed is silent.
type trial struct {
	on             bool              // the numbers are compared with those before
	holds          bool              // there are others in the track
	from           api.GroupSequence // where its groups are to begin
	begun, strange signal.Event
	repeats        atomic.Bool
	lags           atomic.Bool // what has come should have come before
	deciding       atomic.Bool // decideAt is set

	// Of passGroups.
	held     []api.GroupReader
	seen     bool      // a group has come
	decideAt time.Time // whether the feed begins; zero until it may
}

// errUndecided is why accept returns when it is to be decided, and errMistaken why
// a feed ends that may have brought the groups of another publisher.
var (
	errUndecided = errors.New("it is to be decided whether the feed begins")
	errMistaken  = errors.New("its groups may be of another publisher")
)

// accept returns the next group, or errUndecided when that is due.
func (fd *feed) accept(r api.TrackReader) (api.GroupReader, error) {
	at := fd.trial.decideAt
	if at.IsZero() {
		return r.AcceptGroup(fd.accepting)
	}
	ctx, cancel := context.WithDeadline(fd.accepting, at)
	defer cancel()
	g, err := r.AcceptGroup(ctx)
	if errors.Is(err, context.DeadlineExceeded) && fd.accepting.Err() == nil {
		err = errUndecided
	}
	return g, err
}

// decideIn has it be decided in a while whether the feed begins.
func (t *trial) decideIn(d time.Duration) {
	if t.decideAt.IsZero() {
		t.decideAt = time.Now().Add(d)
		t.deciding.Store(true)
		t.lags.Store(false)
	}
}

// decide lets the feed begin when it is time, unless something has spoken against
// it. Its error ends the feed.
func (fd *feed) decide(now time.Time, reading *sync.WaitGroup) error {
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
	case !fd.route.stands():
		return errGone
	case fd.isNeedless():
		return nil
	case t.on:
		fd.filler.goesOn()
	}
	t.begun.Happen()
	for _, g := range t.held {
		fd.pass(g, reading)
	}
	t.held = nil
	return nil
}

// isNeedless tells whether the feed was tried since the current one was silent,
// which is that no more. Its peer may be a relay that is fed from here: what such
// a relay has came here before.
func (fd *feed) isNeedless() bool {
	return fd.why == silent && fd.filler.heard.Load() != fd.heard
}

// maxHeld is how many groups a feed on trial holds at most: the newest.
const maxHeld = 64

// hold keeps a group until it is decided whether the feed begins.
func (t *trial) hold(g api.GroupReader) {
	if len(t.held) == maxHeld {
		t.held[0].Cancel(api.StreamCancelled)
		t.held = slices.Delete(t.held, 0, 1)
	}
	t.held = append(t.held, g)
}

// drop gives up what is held.
func (t *trial) drop() {
	for _, g := range t.held {
		g.Cancel(api.StreamCancelled)
	}
}

// A verdict is what a group tells of the feed on trial that brings it.
type verdict uint8

const (
	repeats verdict = iota // nothing yet: it is the newest, which is here
	differs                // its numbers do not go on with those before
	overdue                // a standby should have had it before
	isDue                  // a standby has it about now
	goesOn                 // they do go on
)

// receive takes in a group that has come.
func (fd *feed) receive(g api.GroupReader, reading *sync.WaitGroup) {
	t := &fd.trial
	if !t.holds && !t.seen {
		t.seen = true
		t.begun.Happen()
		t.decideIn(crossing)
	}
	if t.begun.Happened() {
		fd.pass(g, reading)
		return
	}
	v := goesOn
	switch {
	case t.strange.Happened():
		v = differs
	case t.on:
		v = fd.filler.verdict(fd, g.Sequence(), time.Now())
	}
	switch v {
	case repeats:
		t.repeats.Store(true)
	case differs:
		t.strange.Happen()
	case overdue:
		t.lags.Store(!t.deciding.Load())
	case isDue:
		t.decideIn(aside)
	case goesOn:
		t.decideIn(crossing)
	}
	if v >= overdue {
		t.hold(g)
	} else {
		g.Cancel(api.StreamCancelled)
	}
}

// verdict tells whether a group of a feed on trial goes on with those before.
func (f *filler) verdict(fd *feed, seq api.GroupSequence, now time.Time) verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	standby := f.newestBy != nil && !sameOrigin(f.newestBy, fd.route)
	early, within, known := f.account.early(seq, now)
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
	case standby:
		return isDue
	case !f.account.plausible(seq, now):
		return differs
	}
	return goesOn
}

// hasGroups tells whether any group of the track has come.
func (f *filler) hasGroups() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.account.some
}

// goesOn gives what is missing a moment to come: a feed on trial goes on with
// the numbers before.
func (f *filler) goesOn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = time.Now().Add(settle)
	f.account.hasten(f.settled)
	f.changed.Wake()
}
