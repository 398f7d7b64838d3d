package relay

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/internal/signal"
)

// A trial is where a feed shows that it goes on with the numbers before. Numbers
// go on within one origin: its groups are let in, and begun happens, with the
// first that does; strange happens at one that does not.
//
// Another publisher is a standby if it writes the same groups at the same time.
// It repeats the number of the newest group, which tells nothing yet. What comes
// of it after that is held until a group has come that is due about now, and none
// has for a moment that should come later.
type trial struct {
	on             bool
	from           api.GroupSequence // where its groups are to begin
	begun, strange signal.Event
	repeats        atomic.Bool
	lags           atomic.Bool // nothing has come that is due

	// Of passGroups.
	held     []api.GroupReader
	decideAt time.Time // whether it is a standby; zero until a group has come that is due
}

// errUndecided is why accept returns when it is to be decided.
var errUndecided = errors.New("it is to be decided whether the feed goes on")

// accept returns the next group, or errUndecided when that is due.
func (fd *feed) accept(r api.TrackReader) (api.GroupReader, error) {
	at := fd.trial.decideAt
	if at.IsZero() {
		return r.AcceptGroup(fd.accepting)
	}
	ctx, cancel := context.WithDeadline(fd.accepting, at)
	defer cancel()
	g, err := r.AcceptGroup(ctx)
	if err != nil && errors.Is(err, context.DeadlineExceeded) && fd.accepting.Err() == nil {
		err = errUndecided
	}
	return g, err
}

// decide lets the feed of a standby begin when nothing has spoken against it for
// a moment.
func (fd *feed) decide(now time.Time, reading *sync.WaitGroup) {
	t := &fd.trial
	if t.decideAt.IsZero() || now.Before(t.decideAt) {
		return
	}
	t.decideAt = time.Time{}
	if t.strange.Happened() {
		return
	}
	fd.filler.goesOn()
	t.begun.Happen()
	for _, g := range t.held {
		fd.pass(g, reading)
	}
	t.held = nil
}

// maxHeld is how many groups a feed on trial holds at most: the newest.
const maxHeld = 64

// hold keeps a group until it is decided whether the feed goes on.
func (fd *feed) hold(g api.GroupReader, due bool) {
	t := &fd.trial
	if due && t.decideAt.IsZero() {
		t.decideAt = time.Now().Add(aside)
	}
	t.lags.Store(t.decideAt.IsZero())
	if len(t.held) == maxHeld {
		t.held[0].Cancel(api.StreamCancelled)
		t.held = slices.Delete(t.held, 0, 1)
	}
	t.held = append(t.held, g)
}

// dropHeld gives up what is held.
func (fd *feed) dropHeld() {
	for _, g := range fd.trial.held {
		g.Cancel(api.StreamCancelled)
	}
}

// A verdict is what a group tells of the feed on trial that brings it.
type verdict uint8

const (
	repeats verdict = iota // nothing yet: it is the newest, of another publisher
	differs                // its numbers do not go on with those before
	overdue                // a standby should have had it before
	isDue                  // a standby has it about now
	goesOn                 // they do go on
)

// judge tells what a group shows.
func (fd *feed) judge(seq api.GroupSequence) verdict {
	t := &fd.trial
	if t.begun.Happened() {
		return goesOn
	}
	v := goesOn
	if t.on {
		v = fd.filler.verdict(fd, seq, time.Now())
	}
	switch v {
	case repeats:
		t.repeats.Store(true)
	case differs:
		t.strange.Happen()
	case goesOn:
		if t.on {
			fd.filler.goesOn()
		}
		t.begun.Happen()
	}
	return v
}

// verdict tells whether a group of a feed on trial goes on with those before.
func (f *filler) verdict(fd *feed, seq api.GroupSequence, now time.Time) verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	standby := f.newestBy != nil && !sameOrigin(f.newestBy, fd.route)
	early, within, known := f.account.early(seq, now)
	from := fd.trial.from
	switch {
	case standby && seq == from:
		return repeats
	case seq < from, seq == from && fd.why == silent:
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

// goesOn gives what is missing a moment to come: a feed on trial goes on with
// the numbers before.
func (f *filler) goesOn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = time.Now().Add(settle)
	f.account.hasten(f.settled)
	f.changed.Wake()
}
