package apitest

import (
	"context"
	"io"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// Track returns a subscription with these groups, whose AcceptGroup then
// returns err; nil is io.EOF, the track's end.
func Track(info api.TrackInfo, err error, groups ...api.GroupReader) api.TrackReader {
	if err == nil {
		err = io.EOF
	}
	t := &trackReader{info: info, groups: groups, err: err}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	return t
}

// OpenTrack returns a subscription with these groups, whose AcceptGroup then waits
// for its context or Close, as for the next group of a live track.
func OpenTrack(info api.TrackInfo, groups ...api.GroupReader) api.TrackReader {
	t := &trackReader{info: info, groups: groups, open: true}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	return t
}

type trackReader struct {
	info   api.TrackInfo
	open   bool // until Close
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	groups []api.GroupReader
	err    error
}

func (t *trackReader) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	g, err := t.nextGroup(ctx)
	if g != nil || err != nil {
		return g, err
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-t.ctx.Done():
		return nil, context.Cause(t.ctx)
	}
}

// nextGroup returns the next group. It returns nil without an error if there is
// none yet.
func (t *trackReader) nextGroup(ctx context.Context) (api.GroupReader, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.groups) > 0:
		g := t.groups[0]
		t.groups = t.groups[1:]
		return g, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case t.err != nil:
		t.cancel(t.err)
	}
	return nil, t.err
}

func (t *trackReader) ReceiveDatagram(context.Context, *api.Datagram) error {
	return api.ErrNotSupported
}
func (t *trackReader) Gaps() []api.Gap                   { return nil }
func (t *trackReader) Info() api.TrackInfo               { return t.info }
func (t *trackReader) Update(*api.SubscribeConfig) error { return t.refused() }
func (t *trackReader) Context() context.Context          { return t.ctx }

// refused returns ErrClosed after Close, and nil before.
func (t *trackReader) refused() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == api.ErrClosed {
		return api.ErrClosed
	}
	return nil
}

func (t *trackReader) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.groups {
		g.Cancel(api.StreamCancelled)
	}
	t.groups, t.err = nil, api.ErrClosed
	t.cancel(api.ErrClosed)
	return nil
}

// Announcements returns a reader of these announcements. After the last one,
// Receive waits for its context or Close. For a reader that ends see
// [EndedAnnouncements].
func Announcements(told ...api.Announcement) api.AnnouncementReader {
	return &announcements{told: told, closed: make(chan struct{})}
}

// EndedAnnouncements returns a reader of these announcements, whose Receive
// then returns err; nil is io.EOF.
func EndedAnnouncements(err error, told ...api.Announcement) api.AnnouncementReader {
	if err == nil {
		err = io.EOF
	}
	return &announcements{told: told, err: err, closed: make(chan struct{})}
}

// Active returns the announcement of a broadcast.
func Active(path api.BroadcastPath) api.Announcement {
	return api.Announcement{Path: path, Status: api.AnnouncementActive}
}

// Ended returns the announcement that a broadcast has ended.
func Ended(path api.BroadcastPath) api.Announcement {
	return api.Announcement{Path: path, Status: api.AnnouncementEnded}
}

// Complete returns the announcement that all broadcasts present have been told.
func Complete() api.Announcement {
	return api.Announcement{Status: api.AnnouncementsComplete}
}

type announcements struct {
	mu     sync.Mutex
	told   []api.Announcement
	err    error
	once   sync.Once
	closed chan struct{}
}

func (a *announcements) Receive(ctx context.Context) (api.Announcement, error) {
	select {
	case <-a.closed:
		return api.Announcement{}, api.ErrClosed
	default:
	}
	a.mu.Lock()
	if len(a.told) > 0 {
		defer a.mu.Unlock()
		next := a.told[0]
		a.told = a.told[1:]
		return next, nil
	}
	err := a.err
	a.mu.Unlock()
	if err != nil {
		return api.Announcement{}, err
	}
	select {
	case <-a.closed:
		return api.Announcement{}, api.ErrClosed
	case <-ctx.Done():
		return api.Announcement{}, context.Cause(ctx)
	}
}

func (a *announcements) Close() error {
	a.once.Do(func() { close(a.closed) })
	return nil
}
