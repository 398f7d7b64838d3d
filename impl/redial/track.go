package redial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// Subscribe implements [api.Subscriber].
func (s *Session) Subscribe(ctx context.Context, path api.BroadcastPath, name api.TrackName, config *api.SubscribeConfig) (api.TrackReader, error) {
	t := newTrack(s, path.Clean(), name, config)
	f, err := request(ctx, s, "subscribe", func(l *link) (*feed, error) {
		return t.open(ctx, l, t.config)
	})
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

// A track is a subscription that goes from session to session. Each has a feed,
// which passes groups on to whoever calls AcceptGroup; those that came by
// another are not passed on again.
type track struct {
	session *Session
	path    api.BroadcastPath
	name    api.TrackName

	ctx     context.Context // ends when no more groups will come
	cancel  context.CancelCauseFunc
	asked   chan struct{} // closed at the first AcceptGroup
	askOnce sync.Once
	groups  chan delivery // what the feeds pass on
	closed  chan struct{} // Close was called
	once    sync.Once

	updating sync.Mutex // one change of config, or of newest, at a time

	mu        sync.Mutex
	config    api.SubscribeConfig // as the application wants it
	newest    *feed
	feeds     map[*feed]struct{}
	numbering int       // counts restarts
	hop       api.Hop   // where the last group came from; 0 is unknown
	passed    time.Time // when it did
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
		asked:   make(chan struct{}),
		groups:  make(chan delivery),
		closed:  make(chan struct{}),
		feeds:   make(map[*feed]struct{}),
		passed:  time.Now(),
	}
	if config != nil {
		t.config = *config
	}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	return t
}

// AcceptGroup implements [api.TrackReader].
func (t *track) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	t.askOnce.Do(func() { close(t.asked) })
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

// lasted is how long no group has come.
func (t *track) lasted() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.passed)
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
