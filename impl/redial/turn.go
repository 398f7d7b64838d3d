package redial

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A turn is a change to another feed: where, and why.
type turn struct {
	link *link
	seen sighting // what is announced there, if link is that of the feed before
	why  error    // nil: the feed before tells
	anew bool     // the group numbers are known to be new ones
	rest bool     // wait before asking the peer
	err  error    // why it failed
}

// same reports whether nothing has changed between two turns.
func (to turn) same(other turn) bool {
	return to.link == other.link && to.seen.life == other.seen.life && to.seen.hop == other.seen.hop
}

// run goes from feed to feed until the track ends.
func (t *track) run(f *feed) {
	t.session.wg.Go(f.run)
	defer func() { f.unwatch() }()
	var vain turn
	for {
		to, err := t.turn(f, vain)
		if err != nil {
			t.finish(err)
			return
		}
		next, err := t.resume(f, to)
		if next == nil {
			vain, vain.err = to, err
			continue
		}
		t.change(f, next)
		f.unwatch()
		f, vain = next, turn{}
	}
}

// turn waits until another feed has to follow f. It does not return the turn
// that failed before (vain) until something has changed. Its error ends the
// track.
func (t *track) turn(f *feed, vain turn) (turn, error) {
	fate := undecided
	for {
		done := f.done.Done()
		if f.finished() {
			done = nil
			if fate == undecided {
				fate = f.fate()
			}
			if fate == final && vain.why != errRenumbered && f.endsOther() && f.renumbered(t.ctx) {
				return turn{link: f.link, seen: f.sight, why: errRenumbered, anew: true}, nil
			}
		}
		l, changed := t.session.now()
		now, announced := f.watch()
		to, found := t.decide(f, l, now, fate)
		again := found && to.same(vain)
		switch {
		case fate == final:
			return turn{}, f.err
		case found && !again:
			return to, nil
		case again && fate != undecided && vain.err != nil:
			return turn{}, vain.err
		}
		select {
		case <-changed:
		case <-announced:
		case <-t.broke:
		case <-done:
		case <-f.doubts(l, now):
			if f.renumbered(t.ctx) {
				return turn{link: l, seen: now, why: errRenumbered, anew: true}, nil
			}
		case <-t.ctx.Done():
			return turn{}, context.Cause(t.ctx)
		case <-t.session.ctx.Done():
			return turn{}, f.lastWords(context.Cause(t.session.ctx))
		}
	}
}

// decide reports whether another feed has to follow f. l is the session
// beneath, and now what is announced over that of f.
func (t *track) decide(f *feed, l *link, now sighting, fate fate) (to turn, found bool) {
	switch {
	case l == nil:
		return turn{}, false
	case l != f.link:
		return turn{link: l}, true
	case now.replaces(f.sight):
		return turn{link: l, seen: now, why: errReplaced}, true
	case fate == here:
		return turn{link: l, seen: now, rest: goingAway(f.err) || !f.good() || !f.gone(now)}, true
	case t.brokeOff(f):
		return turn{link: l, seen: now, why: errBrokeOff}, true
	default:
		return turn{}, false
	}
}

// watch returns what is announced over the session of f. The first publisher
// that is announced after the subscription is taken for that of its groups.
func (f *feed) watch() (now sighting, changed <-chan struct{}) {
	now, changed = f.origin.sight()
	if f.sight.is != announced && now.is == announced {
		f.sight = now
	}
	return now, changed
}

// A fate is how a track goes on when its feed has ended.
type fate int

const (
	undecided fate = iota
	final          // not at all: the track has ended
	elsewhere      // over the next session
	here           // over the same one, when its publisher is back or was replaced
)

// fate returns how the track goes on after f. A peer that is about to go, or
// loses its own source, may reset what it serves before it reports that.
func (f *feed) fate() fate {
	t := f.track
	if f.good() {
		t.trouble = time.Now()
		t.rests.Reset()
	}
	reset, ok := errors.AsType[*api.StreamError](f.err)
	switch {
	case f.err == io.EOF:
		return final
	case f.link.over(f.err):
		return elsewhere
	case !ok || !reset.Remote || time.Since(t.trouble) > t.session.policy.ResumeTimeout:
		if f.link.fades(t.ctx) {
			return elsewhere
		}
		return final
	case goingAway(f.err), reset.Code == api.StreamUnroutable:
		return here // it is the way to the publisher that is gone, not the track
	}
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	timeout := make(chan struct{})
	go func() {
		defer close(timeout)
		defer cancel()
		f.link.sleep(ctx, telling)
	}()
	now := f.origin.await(ctx, f.gone)
	cancel()
	<-timeout
	switch {
	case f.link.over(nil):
		return elsewhere
	case f.gone(now), reset.Code == api.StreamInternal && f.track.hasCome():
		return here // of an internal error, nobody knows whose it is
	default:
		return final
	}
}

// hasCome reports whether any group of the track has come. If none has, a reset
// may be a refusal by a peer that does not say why.
func (t *track) hasCome() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, some := t.numbering.following()
	return some
}

// gone reports whether the publisher of f is not announced any more, or has
// been announced anew.
func (f *feed) gone(now sighting) bool {
	return now.is == withdrawn || f.sight.is == announced && now.life != f.sight.life
}

// good reports whether f has brought something new, or has stood for a while.
func (f *feed) good() bool {
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	return f.taken > 0 || time.Since(f.opened) >= stableAfter
}
