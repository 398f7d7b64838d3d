package redial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
)

// originWithin is how long a new session may take to say where a broadcast
// comes from.
const originWithin = 5 * time.Second

// run follows the session from one beneath to the next, until the track ends.
func (t *track) run(f *feed) {
	t.session.wg.Go(f.run)
	var tried *link // in vain, or it is over
	var refused error
	for {
		l, changed := t.session.now()
		done := f.done
		again := false // over the same session
		if f.finished() {
			done = nil
			survives, publisherGone := f.survives()
			if !survives {
				t.finish(f.err)
				return
			}
			if l != nil && l == tried && refused != nil {
				t.finish(refused)
				return
			}
			again = publisherGone
		}
		if l != nil && (l != f.link || again) && l != tried {
			next, err := t.resume(f, l)
			if next != nil {
				f, tried, refused = t.change(f, next), nil, nil
			} else {
				tried, refused = l, err
			}
			continue
		}
		select {
		case <-changed:
		case <-done:
		case <-t.ctx.Done():
			return
		case <-t.session.ctx.Done():
			t.finish(f.lastWords(context.Cause(t.session.ctx)))
			return
		}
	}
}

// lastWords is how the track ends when the session does, with err: what f has
// read to its end before has come to its own.
func (f *feed) lastWords(err error) error {
	if !errors.Is(context.Cause(f.reader.Context()), io.EOF) {
		return err
	}
	timer := time.NewTimer(fading)
	defer timer.Stop()
	select {
	case <-f.done:
		return f.err
	case <-timer.C: // nobody takes what has come
		return err
	}
}

// finish ends the track. At its own end, what other feeds have yet to pass on
// comes first.
func (t *track) finish(err error) {
	if errors.Is(err, io.EOF) {
		t.await(t.allFeeds())
	}
	t.cancel(err)
}

// await waits until feeds pass nothing on any more.
func (t *track) await(feeds []*feed) {
	for _, f := range feeds {
		select {
		case <-f.done:
		case <-t.ctx.Done():
		case <-t.session.ctx.Done():
		}
	}
}

// resume subscribes over l, after f. It returns neither a feed nor an error
// when l is over too, or the track.
func (t *track) resume(f *feed, l *link) (*feed, error) {
	o := l.follow(t.path)
	defer l.leave(o)
	until := time.Now().Add(t.session.policy.ResumeTimeout)
	wait := t.session.policy.InitialInterval
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	defer context.AfterFunc(l.session.Context(), cancel)()
	for {
		announced := o.change()
		next, err := t.attempt(ctx, f, l, o)
		switch {
		case err == nil:
			return next, nil
		case ctx.Err() != nil, l.over(err):
			return nil, nil
		case Permanent(err), time.Now().Add(wait).After(until):
			t.session.policy.Logger.Warn("track not resumed", "path", string(t.path), "track", string(t.name), "error", err)
			return nil, f.notResumed(err)
		}
		if !f.pause(ctx, wait, announced) {
			return nil, nil
		}
		wait = min(2*wait, t.session.policy.MaxInterval)
	}
}

// pause waits, for no longer than until early is closed. It reports false when
// there is nothing to wait for any more: the track has ended, or ctx.
func (f *feed) pause(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	done := f.done
	if f.finished() {
		done = nil
	}
	select {
	case <-timer.C:
	case <-early:
	case <-done:
	case <-ctx.Done():
		return false
	}
	return !f.finished() || !errors.Is(f.err, io.EOF)
}

// attempt subscribes over l once: where the origin is that of f, from the group
// on that follows those that came.
func (t *track) attempt(ctx context.Context, f *feed, l *link, o *origin) (*feed, error) {
	within, cancel := context.WithTimeout(ctx, originWithin)
	after := o.wait(within)
	cancel()
	t.mu.Lock()
	before := cmp.Or(t.hop, f.origin.hop())
	wanted, same, known := t.config, before != 0 && before == after, len(t.seen) > 0
	start, some := t.following()
	t.mu.Unlock()
	config, resumed := wanted, same && some
	switch {
	case resumed && beginsBefore(&config, start):
		config.StartGroup, config.StartFrame = start, 0
	case known && !same && config.StartGroup != 0:
		// The number is one of another numbering.
		config.StartGroup, config.StartFrame = api.GroupLatest, 0
	}
	next, err := t.open(ctx, l, config)
	if err != nil {
		return nil, err
	}
	next.wanted, next.start, next.resumed = wanted, config.StartGroup, resumed
	next.lost = f.why()
	if known && !same {
		next.restart = &RestartError{Before: before, After: after, Err: next.lost}
	}
	return next, nil
}

// beginsBefore tells whether what is asked for begins before start.
func beginsBefore(c *api.SubscribeConfig, start api.GroupSequence) bool {
	return c.StartGroup == api.GroupLatest || c.StartGroup < start
}

// notResumed is the error of a track that could not go on after f.
func (f *feed) notResumed(err error) error {
	if f.finished() {
		return fmt.Errorf("%w; not resumed: %w", f.err, err)
	}
	return fmt.Errorf("not resumed: %w", err)
}

// why is why f cannot go on.
func (f *feed) why() error {
	if f.finished() && !f.link.ended() && !f.link.leaving() {
		return fmt.Errorf("the publisher was lost: %w", f.err)
	}
	if err := context.Cause(f.link.session.Context()); err != nil {
		return fmt.Errorf("the session was lost: %w", err)
	}
	return api.ErrGoingAway
}

// change has next take over from f.
func (t *track) change(f, next *feed) *feed {
	if next.restart != nil {
		t.restart()
	}
	t.begin(next)
	t.session.wg.Go(next.run)
	if next.restart == nil {
		t.session.wg.Go(func() { f.handOver(next) })
	}
	return next
}

// restart ends what was read of the numbers before, since those that come now
// are others.
func (t *track) restart() {
	old := t.allFeeds()
	for _, f := range old {
		f.stopAccepting()
	}
	t.await(old)
	t.mu.Lock()
	t.numbering++
	t.account.restart()
	t.mu.Unlock()
	if hook := t.session.policy.Trace.Restarted; hook != nil {
		t.session.report.hook(func() { hook(t.path, t.name) })
	}
}

// begin has f be the newest feed, with what the application wants by now.
func (t *track) begin(f *feed) {
	t.updating.Lock()
	defer t.updating.Unlock()
	t.mu.Lock()
	if before := t.newest; before != nil {
		before.next = f
		close(before.succeeded)
		before.notNewest()
	}
	f.numbering = t.numbering
	t.newest = f
	t.feeds[f] = struct{}{}
	config := t.config
	stale := config != f.wanted
	if f.restart != nil && !stale {
		t.config.StartGroup, t.config.StartFrame = f.start, 0
	}
	t.mu.Unlock()
	if stale {
		_ = f.update(config)
	}
	if t.isClosed() { // before it was one of feeds
		_ = f.reader.Close()
	}
}
