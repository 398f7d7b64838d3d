package redial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/internal/signal"
)

// Subscribe implements [api.Subscriber].
func (s *Session) Subscribe(ctx context.Context, path api.BroadcastPath, name api.TrackName, config *api.SubscribeConfig) (api.TrackReader, error) {
	t := newTrack(s, path.Clean(), name, config)
	f, err := request(ctx, s, "subscribe", func(l *link) (*feed, error) { return t.first(ctx, l) })
	if err == nil {
		t.begin(f)
		if s.spawn(func() { t.run(f) }) {
			return t, nil
		}
		err = fmt.Errorf("subscribe: %w", context.Cause(s.ctx))
	}
	t.cancel(err)
	return nil, err
}

// first opens the first feed. It does not wait for what is announced.
func (t *track) first(ctx context.Context, l *link) (*feed, error) {
	o := l.follow(t.path)
	defer l.leave(o)
	for {
		seen, _ := o.sight()
		f, err := t.open(ctx, l, seen, t.config)
		if err != errReplaced {
			return f, err
		}
	}
}

// A track is a subscription that goes on over one session after another. Each
// subscription beneath is a feed, which hands groups to whoever calls
// AcceptGroup; a group that came by another feed is not handed on again.
//
// The states of a track:
//
//	opening  Subscribe waits for the first feed.
//	fed      The newest feed brings groups; feeds before it bring what is left of theirs.
//	turning  Another feed is asked for, while the newest goes on if it can.
//	ended    AcceptGroup returns why.
//
// From fed to turning (turn.go):
//   - another session is beneath: the one before was lost, or its peer said GOAWAY
//   - another publisher is announced over the same session
//   - the feed was reset, and its publisher is withdrawn or announced anew, or
//     what was reset said that it was going away
//   - the newest group has broken off with a session that was left (again.go)
//   - the publisher is the same and numbers its groups from 0 again (doubt.go)
//
// From turning to fed (resume.go): where the publisher is the same, the new feed
// goes on at the next group, and the feeds before hand over to it (handover.go).
// Otherwise these are stopped, a RestartError is told, and the numbers begin
// anew. A subscription belongs to the publisher that was announced when it was
// made, whatever is announced later.
//
// To ended: the publisher has ended or reset the track, another feed was refused
// for as long as the policy asks and the newest has ended, Close was called, or
// the lasting session has ended.
//
// A feed accepts groups until it ends, has handed over, or is stopped; it is then
// done, and released when the groups that it brought have been read. Those of a
// publisher that was replaced are cut off after a while: they might never end.
type track struct {
	session *Session
	path    api.BroadcastPath
	name    api.TrackName

	ctx    context.Context // ends when no more groups will come
	cancel context.CancelCauseFunc
	asked  signal.Event  // the first AcceptGroup
	groups chan delivery // what the feeds pass on
	closed chan struct{} // Close was called
	once   sync.Once

	trouble  time.Time // since when no feed was good; of run alone
	rests    *backoff.ExponentialBackOff
	broke    signal.Wake // the newest group has broken off
	updating sync.Mutex  // one change of config, or of newest, at a time

	mu        sync.Mutex
	config    api.SubscribeConfig // as the application wants it
	newest    *feed
	feeds     map[*feed]struct{}
	last      *group // the newest that was passed on; nil for none
	numbering int    // counts restarts
	account
}

var _ api.TrackReader = (*track)(nil)

// A delivery is what AcceptGroup returns.
type delivery struct {
	group api.GroupReader
	err   error
}

func newTrack(s *Session, path api.BroadcastPath, name api.TrackName, config *api.SubscribeConfig) *track {
	t := &track{
		session: s,
		path:    path,
		name:    name,
		groups:  make(chan delivery),
		closed:  make(chan struct{}),
		feeds:   make(map[*feed]struct{}),
		trouble: time.Now(),
		rests:   s.policy.pause(),
		broke:   signal.NewWake(),
	}
	if config != nil {
		t.config = *config
	}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	return t
}

// AcceptGroup implements [api.TrackReader].
func (t *track) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	t.asked.Happen()
	if t.isClosed() {
		return nil, api.ErrClosed
	}
	select {
	case d := <-t.groups:
		return d.group, d.err
	case <-t.ctx.Done():
		return nil, context.Cause(t.ctx)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// ReceiveDatagram implements [api.TrackReader]: those of the newest session.
func (t *track) ReceiveDatagram(ctx context.Context, d *api.Datagram) error {
	for !t.isClosed() {
		f := t.newestFeed()
		err := f.datagram(ctx, d)
		switch {
		case err == nil && t.received(f, d.Sequence):
			return nil
		case err == nil:
			continue
		case f.newest.Err() == nil && f.reader.Context().Err() == nil && !f.link.over(err):
			return err
		}
		select {
		case <-f.newest.Done():
			if t.ctx.Err() != nil {
				return context.Cause(t.ctx)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return api.ErrClosed
}

// received notes a datagram of f. It reports false when it has come before.
func (t *track) received(f *feed, seq api.GroupSequence) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return f.numbering == t.numbering && t.note(seq)
}

func (t *track) newestFeed() *feed {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest
}

func (t *track) isClosed() bool {
	select {
	case <-t.closed:
		return true
	default:
		return false
	}
}

// Gaps implements [api.TrackReader]. What a change of session has cost is told
// when it has had time to come after all.
func (t *track) Gaps() []api.Gap {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.newest.restart.isTold() {
		return t.account.takeEarlier() // others would be taken for the numbers before
	}
	for f := range t.feeds {
		t.takeGaps(f)
	}
	return t.account.take(time.Now(), t.ctx.Err() != nil)
}

// takeGaps takes over what a feed knows to be lost; what another may still have
// is given time. The lock is held.
func (t *track) takeGaps(f *feed) {
	if f.numbering != t.numbering {
		return
	}
	due := time.Now()
	if len(t.feeds) > 1 {
		due = due.Add(settle)
	}
	for _, g := range f.reader.Gaps() {
		if g.Start == g.End {
			t.forgotten(g)
			continue
		}
		t.expect(g.Start, g.End, g.Err, due)
	}
}

// Info implements [api.TrackReader].
func (t *track) Info() api.TrackInfo { return t.newestFeed().reader.Info() }

// Update implements [api.TrackReader]. Between two sessions it takes effect
// with the next one.
func (t *track) Update(config *api.SubscribeConfig) error {
	if t.isClosed() {
		return fmt.Errorf("update: %w", api.ErrClosed)
	}
	var c api.SubscribeConfig
	if config != nil {
		c = *config
	}
	t.updating.Lock()
	defer t.updating.Unlock()
	err := t.newestFeed().update(c)
	if err != nil && !errors.Is(err, api.ErrSessionClosed) && !errors.Is(err, api.ErrClosed) {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.config = c
	return nil
}

// Close implements [api.TrackReader].
func (t *track) Close() error {
	t.once.Do(func() {
		close(t.closed)
		t.cancel(api.ErrClosed)
		for _, f := range t.allFeeds() {
			_ = f.reader.Close()
		}
	})
	return nil
}

// Context implements [api.TrackReader].
func (t *track) Context() context.Context { return t.ctx }

// allFeeds are those that pass groups on, or wait for these to be read.
func (t *track) allFeeds() (feeds []*feed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.feeds {
		feeds = append(feeds, f)
	}
	return feeds
}
