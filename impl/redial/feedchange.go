package redial

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A feedChange is a change to another feed: over which link, and why.
type feedChange struct {
	link *link
	seen announcedState // what is announced there, if link is that of the feed before
	why  error          // nil for feed.reason of the feed before
	anew bool           // the group numbers are known to be new ones
	rest bool           // wait before asking the peer
	err  error          // why it failed, when it was tried
}

// same reports whether two changes are to the same publisher over the same link, so
// that the second one would fail as the first one did.
func (to feedChange) same(other feedChange) bool {
	return to.link == other.link && to.seen.life == other.seen.life && to.seen.hop == other.seen.hop
}

// followFeeds goes from feed to feed until the track ends.
func (t *track) followFeeds(f *feed) {
	t.session.wg.Go(f.passGroups)
	defer func() { f.releaseOrigin() }()
	var vain feedChange
	for {
		to, err := t.awaitChange(f, vain)
		if err != nil {
			t.endTrack(err)
			return
		}
		next, err := t.resume(f, to)
		if next == nil {
			vain, vain.err = to, err
			continue
		}
		t.replaceFeed(f, next)
		f.releaseOrigin()
		f, vain = next, feedChange{}
	}
}

// awaitChange waits until another feed has to follow f. It does not return the
// change that failed before (vain) until something has changed. Its error ends
// the track.
func (t *track) awaitChange(f *feed, vain feedChange) (feedChange, error) {
	fate := endUndecided
	for {
		done, over := f.done.Done(), f.reader.Context().Done()
		if f.isOver() || context.Cause(f.reader.Context()) == io.EOF {
			over = nil
		}
		if f.isDone() {
			done, over = nil, nil
			if fate == endUndecided {
				fate = f.classifyEnd()
			}
			if fate == endFinal && vain.why != errRenumbered && f.endsOther() && f.renumbered(t.ctx) {
				return feedChange{link: f.link, seen: f.announced, why: errRenumbered, anew: true}, nil
			}
		}
		l, changed := t.session.currentLink()
		now, announced := f.announcedNow()
		to, found := t.nextChange(f, l, now, fate)
		again := found && to.same(vain)
		switch {
		case fate == endFinal:
			return feedChange{}, f.err
		case found && !again:
			return to, nil
		case again && fate != endUndecided && vain.err != nil:
			return feedChange{}, vain.err
		}
		select {
		case <-changed:
		case <-announced:
		case <-t.newestBroke:
		case <-done:
		case <-over:
			f.over = time.Now()
		case <-f.renumberCheck(l, now):
			if f.renumbered(t.ctx) {
				return feedChange{link: l, seen: now, why: errRenumbered, anew: true}, nil
			}
		case <-t.ctx.Done():
			return feedChange{}, context.Cause(t.ctx)
		case <-t.session.ctx.Done():
			return feedChange{}, f.endErrorAfter(context.Cause(t.session.ctx))
		}
	}
}

// nextChange reports whether another feed has to follow f. l is the current link,
// nil between two; now is what is announced over the link of f.
func (t *track) nextChange(f *feed, l *link, now announcedState, fate feedEnd) (to feedChange, found bool) {
	switch {
	case l == nil:
		return feedChange{}, false
	case l != f.link:
		return feedChange{link: l}, true
	case now.replaces(f.announced):
		return feedChange{link: l, seen: now, why: errReplaced}, true
	case fate == resumeHere:
		return feedChange{link: l, seen: now, rest: isGoAwayReset(f.err) || !f.wasUseful() || !f.isPublisherGone(now)}, true
	case t.newestBrokeOff(f):
		return feedChange{link: l, seen: now, why: errBrokeOff}, true
	default:
		return feedChange{}, false
	}
}

// announcedNow returns what is announced over the session of f. The first publisher
// that is announced after the subscription is taken for that of its groups.
func (f *feed) announcedNow() (now announcedState, changed <-chan struct{}) {
	now, changed = f.watch.current()
	if f.announced.presence != announced && now.presence == announced {
		f.announced = now
	}
	return now, changed
}

// A feedEnd is how a track goes on when its feed has ended.
type feedEnd int

const (
	endUndecided    feedEnd = iota
	endFinal                // not at all: the track has ended
	resumeElsewhere         // over the next session
	resumeHere              // over the same one, when its publisher is back or was replaced
)

// classifyEnd returns how the track goes on after f. A peer that is about to go, or
// loses its own source, may reset what it serves before it reports that.
func (f *feed) classifyEnd() feedEnd {
	t := f.track
	if f.wasUseful() {
		t.failingSince = time.Now()
		t.backoff.Reset()
	}
	reset, ok := errors.AsType[*api.StreamError](f.err)
	switch {
	case f.err == io.EOF:
		return endFinal
	case f.link.isEndError(f.err):
		return resumeElsewhere
	case !ok || !reset.Remote || time.Since(t.failingSince) > t.session.policy.ResumeTimeout:
		if f.link.endsSoon(t.ctx) {
			return resumeElsewhere
		}
		return endFinal
	case isGoAwayReset(f.err), reset.Code == api.StreamUnroutable:
		return resumeHere // it is the way to the publisher that is gone, not the track
	}
	// Wait until the peer says that the publisher is gone, for withdrawnWithin at
	// most, and only as long as its session stands.
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	timeout := make(chan struct{})
	go func() {
		defer close(timeout)
		defer cancel()
		f.link.sleepWhileOpen(ctx, withdrawnWithin)
	}()
	now := f.watch.awaitState(ctx, f.isPublisherGone)
	cancel()
	<-timeout
	switch {
	case f.link.isEndError(nil):
		return resumeElsewhere
	case f.isPublisherGone(now), reset.Code == api.StreamInternal && f.track.hasReceived():
		return resumeHere // of an internal error, nobody knows whose it is
	default:
		return endFinal
	}
}

// hasReceived reports whether any group of the track has come. If none has, a reset
// may be a refusal by a peer that does not say why.
func (t *track) hasReceived() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, some := t.numbering.nextSequence()
	return some
}

// isPublisherGone reports whether the publisher of f is not announced any more,
// or has been announced anew.
func (f *feed) isPublisherGone(now announcedState) bool {
	return now.presence == withdrawn || f.announced.presence == announced && now.life != f.announced.life
}

// wasUseful reports whether f has brought something new, or has stood for a while.
func (f *feed) wasUseful() bool {
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	return f.taken > 0 || time.Since(f.opened) >= stableAfter
}
