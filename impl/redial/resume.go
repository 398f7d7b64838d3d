package redial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/moqlite/moqlite/api"
)

// endErrorAfter returns the error with which the track ends when the Session ends
// with err. If f's subscription had come to its regular end before, that is f's own
// error (io.EOF), unless the application does not accept the last groups in time.
func (f *feed) endErrorAfter(err error) error {
	if context.Cause(f.reader.Context()) != io.EOF {
		return err
	}
	timer := time.NewTimer(endsSoonWithin)
	defer timer.Stop()
	select {
	case <-f.done.Done():
		return f.err
	case <-timer.C: // nobody accepts what has come
		return err
	}
}

// endTrack ends the track. At a regular end, it first waits until the other feeds
// have passed on what they still have. All feeds have recorded their gaps before
// the track's context ends, so that Gaps is complete once AcceptGroup returns err.
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

// resume makes a change: it subscribes again, to continue after f, and repeats that
// for the policy's ResumeTimeout. It returns neither a feed nor an error if another
// change is due instead, or none: the track has ended, f has come to the end of the
// track, or the change's session has ended, is about to, or was left.
func (t *track) resume(f *feed, to feedChange) (*feed, error) {
	l := to.link
	o := l.watchOrigin(t.path)
	defer l.unwatchOrigin(o) // held over all attempts, so that each finds what is announced
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
		case err == errReplaced: // by a third publisher: ask for that one at once
			continue
		case Permanent(err), time.Now().After(until):
			if logger := t.session.linkLogger(l, slog.LevelWarn); logger != nil {
				logger.Warn("cannot resume track", "path", string(t.path), "track", string(t.name), "error", err)
			}
			return nil, f.notResumed(err)
		}
		if !f.waitUnless(ctx, pause.NextBackOff(), announced) {
			return nil, nil
		}
	}
}

// waitUnless waits for d, or until early is closed or f ends. It reports false if
// ctx has ended, or f has come to the end of the track.
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

// subscribeAgain makes one attempt to subscribe over the link of a change. It first
// waits until the broadcast is announced, for originWithin at most: whether the
// numbers go on depends on who publishes it now. If the peer accepts without that, its
// publisher may just have come, and the announcement is waited for again.
func (t *track) subscribeAgain(ctx context.Context, f *feed, to feedChange, o *originWatch) (*feed, error) {
	seen := o.awaitAnnounced(ctx, originWithin)
	before, after := f.announced.origin(), seen.origin()
	known := before != 0 || t.resumes && to.link.session.State().Version == api.Lite03
	c := t.continuation(f, !to.anew && known && before == after)
	next, err := t.openFeed(ctx, to.link, seen, c.asked)
	if errors.Is(err, api.ErrNotSupported) && c.asked.StartFrame != 0 && c.again != nil {
		// The version cannot ask for a frame: the group is sent from its
		// beginning, and newGroup skips what its reader has had.
		c.asked.StartFrame = 0
		next, err = t.openFeed(ctx, to.link, seen, c.asked)
	}
	if err != nil {
		return nil, err
	}
	if before != 0 && seen.presence != announced && o.awaitAnnounced(ctx, originWithin).presence == announced {
		next.releaseUnused()
		return nil, errReplaced // whose it is can be told now, but it was not asked for what follows
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
	asked   api.SubscribeConfig // what the peer was asked for: wanted, with another start
	same    bool                // it has the numbering of the feeds before
	resumed bool                // it begins where these ended, at from
	from    api.GroupSequence   // the number after the highest that they passed on, if resumed
	again   *group              // the group before from, if that was asked for again
}

// continuation returns how to continue after f. In the same numbering, the feed
// begins at the group after the highest that has come, or at that one again if it
// broke off. If the application wants only the newest group, the feed begins with
// that, unless f still runs: then no group has to be missed.
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
		edge := c.asked.StartGroup == api.GroupLatest && (f.isDone() || f.link.isEnded()) && (open == nil || !t.resumes)
		if !edge && beginsBefore(&c.asked, start) {
			c.asked.StartGroup, c.asked.StartFrame = start, frame
		}
	case !same && t.numbering.hasAny() && c.asked.StartGroup != api.GroupLatest:
		c.asked.StartGroup, c.asked.StartFrame = 0, 0 // the application's are numbers of the old publisher
	}
	return c
}

// beginsBefore reports whether c may begin before start: it is not known which
// group GroupLatest is.
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

// reason returns why f cannot go on, as the RestartError and the gaps report it:
// its publisher or its session was lost, or its peer is about to end.
func (f *feed) reason() error {
	if f.isDone() && !f.link.isEnded() && !f.link.isGoingAway() {
		return fmt.Errorf("the publisher was lost: %w", f.err)
	}
	if err := context.Cause(f.link.session.Context()); err != nil {
		return fmt.Errorf("the session was lost: %w", err)
	}
	return api.ErrGoingAway
}

// replaceFeed makes next the newest feed in place of f, and starts it. In the same
// numbering f then hands over to it; otherwise f has been stopped before.
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

// endNumbering ends the numbering before next's, and all its feeds, which first
// pass on what has come. If the publisher was replaced over the same session, the
// groups that the old one has begun are cut off after replacedGrace.
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
		// A group that was asked for again may still wait until the reader is
		// done with the broken one: too late, in another numbering.
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

// makeNewest makes f the newest feed. If the application has called Update since f
// was opened, f is updated accordingly.
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
		// The start that the application asked for was one of the old numbers.
		t.config.StartGroup, t.config.StartFrame = f.asked.StartGroup, f.asked.StartFrame
	}
	t.mu.Unlock()
	if stale {
		_ = f.updateConfig(config)
	}
	if t.isClosed() { // Close may not have seen f in t.feeds
		_ = f.reader.Close()
	}
}
