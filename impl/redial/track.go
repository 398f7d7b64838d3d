package redial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// Subscribe implements [api.Subscriber].
func (s *Session) Subscribe(ctx context.Context, path api.BroadcastPath, name api.TrackName, config *api.SubscribeConfig) (api.TrackReader, error) {
	t := newTrack(s, path.Clean(), name, config)
	f, err := request(ctx, s, "subscribe", func(l *link) (*feed, error) { return t.openFirst(ctx, l) })
	if err == nil {
		t.makeNewest(f)
		if s.spawn(func() { s.reading(t.path, func() { t.followFeeds(f) }) }) {
			return t, nil
		}
		err = fmt.Errorf("subscribe: %w", context.Cause(s.ctx))
	}
	t.cancel(err)
	return nil, err
}

// openFirst opens the first feed. It does not wait for announcements.
func (t *track) openFirst(ctx context.Context, l *link) (*feed, error) {
	o := l.watchOrigin(t.path)
	defer l.unwatchOrigin(o)
	for {
		seen, _ := o.current()
		f, err := t.openFeed(ctx, l, seen, t.config)
		if err != errReplaced {
			return f, err
		}
	}
}

// A track is a subscription that goes on over one session after another. Each
// subscription beneath is a feed, which hands groups to the caller of
// AcceptGroup; a group that came by another feed is not handed on again. The
// states of a track are in doc.go.
type track struct {
	session *Session
	path    api.BroadcastPath
	name    api.TrackName

	ctx     context.Context // ends when no more groups will come
	cancel  context.CancelCauseFunc
	feeding context.Context // ends just before ctx: the feeds pass nothing on any more
	stop    context.CancelCauseFunc
	resumes bool          // groups that break off go on in their readers
	asked   signal.Event  // the first call of AcceptGroup
	groups  chan delivery // from the feeds to AcceptGroup
	closed  signal.Event  // Close was called

	failingSince time.Time                   // when a feed that was useful ended last, or the track began; used by followFeeds alone
	backoff      *backoff.ExponentialBackOff // of changes with rest set; used by followFeeds alone
	newestBroke  signal.Wake                 // the newest group has broken off
	updating     sync.Mutex                  // held for one change of config or newest at a time

	mu        sync.Mutex
	config    api.SubscribeConfig // what the application wants
	newest    *feed
	feeds     map[*feed]struct{}
	numbering *numbering     // of the newest feed
	position  readerPosition // of the reader
}

var _ api.TrackReader = (*track)(nil)

// A delivery is what AcceptGroup returns: a group, or the error with which a
// numbering begins.
type delivery struct {
	group  *group
	begins *numbering
}

func newTrack(s *Session, path api.BroadcastPath, name api.TrackName, config *api.SubscribeConfig) *track {
	t := &track{
		session:      s,
		path:         path,
		name:         name,
		groups:       make(chan delivery),
		feeds:        make(map[*feed]struct{}),
		failingSince: time.Now(),
		backoff:      s.policy.newBackoff(),
		newestBroke:  signal.NewWake(),
	}
	if config != nil {
		t.config, t.resumes = *config, config.Resume
	}
	t.numbering = newNumbering(t.config.StartGroup, nil)
	t.position = readerPosition{in: t.numbering, told: t.numbering}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.feeding, t.stop = context.WithCancelCause(t.ctx)
	return t
}

// AcceptGroup implements [api.TrackReader].
func (t *track) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	t.asked.Happen()
	if t.isClosed() {
		return nil, api.ErrClosed
	}
	t.enterNumbering()
	var d delivery
	select {
	case d = <-t.groups:
	case <-t.ctx.Done():
		return nil, context.Cause(t.ctx)
	case <-ctx.Done():
		if d = t.received(); d == (delivery{}) {
			return nil, context.Cause(ctx)
		}
	}
	if d.begins != nil {
		return nil, t.tellNumbering(d.begins)
	}
	if t.resumes {
		return newResumedGroup(t, d.group), nil
	}
	return d.group, nil
}

// ReceiveDatagram implements [api.TrackReader]. It returns datagrams of the
// newest feed.
func (t *track) ReceiveDatagram(ctx context.Context, d *api.Datagram) error {
	for !t.isClosed() {
		f := t.newestFeed()
		err := f.receiveDatagram(ctx, d)
		switch {
		case err == nil && t.noteDatagram(f, d.Sequence):
			return nil
		case err == nil:
			continue
		case f.newest.Err() == nil && f.reader.Context().Err() == nil && !f.link.isEndError(err):
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

// noteDatagram records a datagram of f. It reports false if the datagram has come
// before, or is of a numbering that has ended.
func (t *track) noteDatagram(f *feed, seq api.GroupSequence) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return f.numbering == t.numbering && t.numbering.noteNumber(seq)
}

func (t *track) newestFeed() *feed {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest
}

func (t *track) isClosed() bool { return t.closed.Happened() }

// Gaps implements [api.TrackReader]. Groups that are missing after a change of
// session are reported when they have had time to come. The gaps of a numbering
// that began with a RestartError are reported from the next call of AcceptGroup
// on: before, they would be taken for those of the numbers before.
func (t *track) Gaps() []api.Gap {
	t.mu.Lock()
	defer t.mu.Unlock()
	gaps := t.position.earlier
	t.position.earlier = nil
	if t.position.in != t.numbering {
		return gaps
	}
	for f := range t.feeds {
		t.recordGaps(f)
	}
	if t.ctx.Err() != nil {
		t.numbering.loseRest(context.Cause(t.ctx))
	}
	return append(gaps, t.numbering.takeGaps(time.Now())...)
}

// recordGaps records the gaps that a feed reports. If another feed may still have
// the groups, they are given time. The lock is held.
func (t *track) recordGaps(f *feed) {
	if f.numbering != t.numbering {
		return
	}
	due := time.Now()
	if len(t.feeds) > 1 {
		due = due.Add(reorderWait)
	}
	for _, g := range f.reader.Gaps() {
		if g.Start == g.End {
			t.numbering.addForgotten(g)
			continue
		}
		t.numbering.expectGap(g.Start, g.End, g.Err, due)
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
	err := t.newestFeed().updateConfig(c)
	if err != nil && !errors.Is(err, api.ErrSessionClosed) && !errors.Is(err, api.ErrClosed) {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.config = c
	return nil
}

// Subscribed reports whether there is a subscription beneath that stands, or has come to
// the end of the track. It is false while the track waits for its publisher, or for the
// next session. Relays (package relay) ask for it.
func (t *track) Subscribed() bool {
	f := t.newestFeed()
	if f.isDone() {
		return f.err == io.EOF
	}
	return !f.link.isEnded()
}

// Close implements [api.TrackReader].
func (t *track) Close() error {
	if t.closed.Happen() {
		t.cancel(api.ErrClosed)
		for _, f := range t.allFeeds() {
			_ = f.reader.Close()
		}
	}
	return nil
}

// Context implements [api.TrackReader].
func (t *track) Context() context.Context { return t.ctx }

// allFeeds returns the feeds that pass groups on, or whose groups are still
// being read.
func (t *track) allFeeds() (feeds []*feed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.feeds {
		feeds = append(feeds, f)
	}
	return feeds
}
