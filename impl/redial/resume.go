package redial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
)

// endErrorAfter returns how the track ends when the session ends with err. If f's
// subscription has come to its regular end before, the track ends so too,
// unless nobody takes the groups.
func (f *feed) endErrorAfter(err error) error {
	if context.Cause(f.reader.Context()) != io.EOF {
		return err
	}
	timer := time.NewTimer(endsSoonWithin)
	defer timer.Stop()
	select {
	case <-f.done.Done():
		return f.err
	case <-timer.C: // nobody takes what has come
		return err
	}
}

// endTrack ends the track. At a regular end, it first waits for what other feeds
// have yet to pass on. All feeds have ended when it sets the error, so that the
// reader can then ask for all gaps.
func (t *track) endTrack(err error) {
	feeds := t.allFeeds()
	if err == io.EOF {
		t.awaitFeeds(feeds)
	}
	t.stop(err)
	for _, f := range feeds {
		<-f.done.Done()
	}
	t.cancel(err)
}

// awaitFeeds waits until feeds pass nothing on any more, or the track or the
// session ends.
func (t *track) awaitFeeds(feeds []*feed) {
	for _, f := range feeds {
		select {
		case <-f.done.Done():
		case <-t.ctx.Done():
		case <-t.session.ctx.Done():
		}
	}
}

// resume makes a change: it subscribes again, to continue after f. It returns
// neither a feed nor an error if the track or the change's session ends.
func (t *track) resume(f *feed, to feedChange) (*feed, error) {
	l := to.link
	o := l.watchOrigin(t.path)
	defer l.unwatchOrigin(o)
	until := time.Now().Add(t.session.policy.ResumeTimeout)
	pause := t.session.policy.newBackoff()
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	defer context.AfterFunc(l.session.Context(), cancel)()
	if to.rest && !sleep(ctx, t.backoff.NextBackOff()) {
		return nil, nil
	}
	for {
		_, announced := o.current()
		next, err := t.subscribeAgain(ctx, f, to, o)
		switch {
		case err == nil:
			return next, nil
		case ctx.Err() != nil, err == errOtherSession, l.isEndError(err):
			return nil, nil
		case err == errReplaced:
			continue
		case Permanent(err), time.Now().After(until):
			t.session.policy.Logger.Warn("cannot resume track", "path", string(t.path), "track", string(t.name), "error", err)
			return nil, f.notResumed(err)
		}
		if !f.waitUnless(ctx, pause.NextBackOff(), announced) {
			return nil, nil
		}
	}
}

// waitUnless waits, at most until early is closed. It reports false if the track or
// ctx has ended.
func (f *feed) waitUnless(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	done := f.done.Done()
	if f.isDone() {
		done = nil
	}
	select {
	case <-timer.C:
	case <-early:
	case <-done:
	case <-ctx.Done():
		return false
	}
	return !f.isDone() || f.err != io.EOF
}

// subscribeAgain subscribes once over the link of a change.
func (t *track) subscribeAgain(ctx context.Context, f *feed, to feedChange, o *originWatch) (*feed, error) {
	within, cancel := context.WithTimeout(ctx, originWithin)
	seen := o.awaitState(within, func(s announcedState) bool { return s.presence == announced })
	cancel()
	before, after := f.announced.origin(), seen.origin()
	c := t.continuation(f, !to.anew && before != 0 && before == after)
	next, err := t.openFeed(ctx, to.link, seen, c.asked)
	if errors.Is(err, api.ErrNotSupported) && c.asked.StartFrame != 0 && c.again != nil {
		c.asked.StartFrame = 0 // the version has no such thing: they are skipped
		next, err = t.openFeed(ctx, to.link, seen, c.asked)
	}
	if err != nil {
		return nil, err
	}
	next.continuation = c
	next.lost = to.why
	if next.lost == nil {
		next.lost = f.reason()
	}
	if !c.same {
		next.numbering = newNumbering(c.asked.StartGroup, &RestartError{Before: before, After: after, Err: next.lost})
	}
	if to.why == errReplaced && !c.same {
		return t.runTrial(ctx, f, next)
	}
	return next, nil
}

// A continuation is how a feed continues those before.
type continuation struct {
	wanted  api.SubscribeConfig // what the application wanted when the feed was opened
	asked   api.SubscribeConfig // what was asked for instead
	same    bool                // it has the numbering of the feeds before
	resumed bool                // it begins where these ended, at from
	from    api.GroupSequence
	again   *group // the group before from, if that was asked for again
}

// continuation returns how to continue after f. In the same numbering, the feed
// begins at the group after those that came, unless the application only wants
// the newest.
func (t *track) continuation(f *feed, same bool) continuation {
	open := t.groupToContinue(f)
	t.mu.Lock()
	defer t.mu.Unlock()
	c := continuation{wanted: t.config, asked: t.config, same: same}
	next, some := t.numbering.nextSequence()
	switch {
	case same && some:
		c.resumed, c.from, c.again = true, next, open
		start, frame := next, uint64(0)
		if open != nil {
			start, frame = open.Sequence(), open.next.Load()
		}
		edge := c.asked.StartGroup == api.GroupLatest && (f.isDone() || f.link.isEnded())
		if !edge && beginsBefore(&c.asked, start) {
			c.asked.StartGroup, c.asked.StartFrame = start, frame
		}
	case !same && t.numbering.hasAny() && c.asked.StartGroup != api.GroupLatest:
		c.asked.StartGroup, c.asked.StartFrame = 0, 0 // they are of another numbering
	}
	return c
}

// beginsBefore reports whether what is asked for begins before start.
func beginsBefore(c *api.SubscribeConfig, start api.GroupSequence) bool {
	return c.StartGroup == api.GroupLatest || c.StartGroup < start
}

// notResumed returns the error of a track that could not be continued after f.
func (f *feed) notResumed(err error) error {
	if f.isDone() {
		return fmt.Errorf("%w; cannot resume: %w", f.err, err)
	}
	return fmt.Errorf("cannot resume: %w", err)
}

// reason returns the reason why f cannot go on.
func (f *feed) reason() error {
	if f.isDone() && !f.link.isEnded() && !f.link.isGoingAway() {
		return fmt.Errorf("the publisher was lost: %w", f.err)
	}
	if err := context.Cause(f.link.session.Context()); err != nil {
		return fmt.Errorf("the session was lost: %w", err)
	}
	return api.ErrGoingAway
}

// replaceFeed makes next replace f.
func (t *track) replaceFeed(f, next *feed) {
	if !next.same {
		t.endNumbering(next)
	}
	t.makeNewest(next)
	t.session.wg.Go(next.passGroups)
	if next.same {
		t.session.wg.Go(func() { f.handOver(next) })
	}
}

// endNumbering ends the feeds of the numbering before. What has come is passed on
// first. If the publisher was replaced over the same session, the groups that
// the old one has begun are not waited for long.
func (t *track) endNumbering(next *feed) {
	old, why := t.allFeeds(), next.numbering.restart
	for _, f := range old {
		f.stopAccepting()
		if f.link == next.link {
			t.session.wg.Go(func() { f.cutAfter(replacedGrace, why) })
		}
	}
	t.awaitFeeds(old)
	for _, f := range old {
		if f.isDone() && f.regained != nil {
			f.cancelLife(why)
			<-f.regained
		}
	}
	t.mu.Lock()
	t.renumber(next.numbering, next.lost)
	t.mu.Unlock()
	if hook := t.session.policy.Trace.Restarted; hook != nil && !next.numbering.isTold() {
		t.session.report.enqueueHook(func() { hook(t.path, t.name) })
	}
}

// makeNewest makes f the newest feed, and updates it to what the application wants
// by now.
func (t *track) makeNewest(f *feed) {
	t.updating.Lock()
	defer t.updating.Unlock()
	t.mu.Lock()
	if before := t.newest; before != nil {
		before.next = f
		before.cancelNewest()
	}
	f.numbering = t.numbering
	t.newest = f
	t.feeds[f] = struct{}{}
	config := t.config
	stale := config != f.wanted
	if !f.same && !stale {
		t.config.StartGroup, t.config.StartFrame = f.asked.StartGroup, f.asked.StartFrame
	}
	t.mu.Unlock()
	if stale {
		_ = f.updateConfig(config)
	}
	if t.isClosed() { // before it was one of feeds
		_ = f.reader.Close()
	}
}
