package apitest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A QuietSession is an [api.Session] without a peer, for a mocked Dial to
// return, beneath a redialer too. Its methods may be called concurrently. A test
// that wants other answers of State or Stats embeds it.
type QuietSession struct {
	// Announced is what Announcements tells, as often as it is called: what is
	// put into it is announced, and what is removed from it has ended.
	Announced *api.AnnouncementSet

	requests api.Subscriber
	ctx      context.Context
	cancel   context.CancelCauseFunc
	gone     chan struct{}

	mu       sync.Mutex
	goAway   *api.GoAway // the peer's
	sentAway bool
}

var _ api.Session = (*QuietSession)(nil)

// Session returns a session that stands until Terminate or [QuietSession.End]. It
// announces the broadcasts told, as [Active] makes them, and then [Complete].
// Subscribe, Fetch and TrackInfo ask s, which may be a mocks.MockSubscriber;
// with a nil s nothing is found. What a redialer asks for by itself, which is
// announcements and a sign of life, never comes to s.
//
//	asked := mocks.NewMockSubscriber(ctrl)
//	session := apitest.Session(asked, apitest.Active(path))
//	dialer.EXPECT().Dial(gomock.Any(), url, gomock.Any()).Return(session, nil)
//	asked.EXPECT().Subscribe(gomock.Any(), path, name, gomock.Any()).Return(nil, api.ErrNotFound)
//	…
//	session.End(&api.SessionError{Code: api.SessionInternal, Err: errors.New("timeout")})
func Session(s api.Subscriber, told ...api.Announcement) *QuietSession {
	q := &QuietSession{Announced: new(api.AnnouncementSet), requests: s, gone: make(chan struct{})}
	q.ctx, q.cancel = context.WithCancelCause(context.Background())
	if s == nil {
		q.requests = nothing{}
	}
	for _, a := range told {
		if a.Status == api.AnnouncementActive {
			q.Announced.Put(a)
		}
	}
	q.Announced.Complete()
	return q
}

// End ends the session with err, as its peer or a lost connection does. Only the
// first end of a session counts.
func (q *QuietSession) End(err *api.SessionError) {
	q.cancel(err)
	q.Announced.End(context.Cause(q.ctx))
}

// AskToLeave does what the peer's GOAWAY does: GoneAway is closed, and
// State().GoAway is the uri, which may be empty. Only the first call counts.
func (q *QuietSession) AskToLeave(uri string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.goAway == nil {
		q.goAway = &api.GoAway{URI: uri}
		close(q.gone)
	}
}

// Announcements implements [api.Subscriber].
func (q *QuietSession) Announcements(ctx context.Context, prefix string) (api.AnnouncementReader, error) {
	if err := q.refused(ctx, "announcements"); err != nil {
		return nil, err
	}
	return q.Announced.Reader(prefix), nil
}

// Subscribe implements [api.Subscriber].
func (q *QuietSession) Subscribe(ctx context.Context, path api.BroadcastPath, name api.TrackName, c *api.SubscribeConfig) (api.TrackReader, error) {
	if err := q.refused(ctx, "subscribe"); err != nil {
		return nil, err
	}
	if path == keepAlive {
		return nil, notFound("subscribe")
	}
	return q.requests.Subscribe(ctx, path, name, c)
}

// Fetch implements [api.Subscriber].
func (q *QuietSession) Fetch(ctx context.Context, req api.FetchRequest) (api.GroupReader, error) {
	if err := q.refused(ctx, "fetch"); err != nil {
		return nil, err
	}
	return q.requests.Fetch(ctx, req)
}

// TrackInfo implements [api.Subscriber].
func (q *QuietSession) TrackInfo(ctx context.Context, path api.BroadcastPath, name api.TrackName) (api.TrackInfo, error) {
	if err := q.refused(ctx, "track info"); err != nil {
		return api.TrackInfo{}, err
	}
	if path == keepAlive {
		return api.TrackInfo{}, notFound("track info")
	}
	return q.requests.TrackInfo(ctx, path, name)
}

// State implements [api.Session]: moq-lite-06, over the transport "quiet".
func (q *QuietSession) State() api.SessionState {
	q.mu.Lock()
	defer q.mu.Unlock()
	return api.SessionState{
		ID: "quiet", Version: api.Lite06, Transport: "quiet",
		URL:   &url.URL{Scheme: "moqt", Host: "quiet.example"},
		Local: &net.UDPAddr{IP: net.IPv6loopback}, Remote: &net.UDPAddr{IP: net.IPv6loopback, Port: 443},
		GoAway: q.goAway,
	}
}

// Stats implements [api.Session]: nothing has happened.
func (q *QuietSession) Stats() api.SessionStats { return api.SessionStats{} }

// Probe implements [api.Session]: it is not supported.
func (q *QuietSession) Probe(ctx context.Context) (api.BitrateReader, error) {
	if err := q.refused(ctx, "probe"); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("probe: %w", api.ErrNotSupported)
}

// GoAway implements [api.Session]. Nobody is there to leave.
func (q *QuietSession) GoAway(string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.ctx.Err() != nil:
		return fmt.Errorf("goaway: %w", context.Cause(q.ctx))
	case q.sentAway:
		return errors.New("goaway: sent before")
	}
	q.sentAway = true
	return nil
}

// GoneAway implements [api.Session].
func (q *QuietSession) GoneAway() <-chan struct{} { return q.gone }

// Terminate implements [api.Session].
func (q *QuietSession) Terminate(code api.SessionErrorCode, reason string) error {
	q.End(&api.SessionError{Code: code, Reason: reason})
	return nil
}

// Close ends the session, as Terminate with [api.SessionNoError] does.
func (q *QuietSession) Close() error { return q.Terminate(api.SessionNoError, "") }

// Context implements [api.Session].
func (q *QuietSession) Context() context.Context { return q.ctx }

// refused returns the error of a request that is not made: the session has
// ended, or ctx.
func (q *QuietSession) refused(ctx context.Context, operation string) error {
	for _, ended := range []context.Context{q.ctx, ctx} {
		if ended.Err() != nil {
			return fmt.Errorf("%s: %w", operation, context.Cause(ended))
		}
	}
	return nil
}

// keepAlive is what a redialer asks for to see whether a peer still answers.
const keepAlive = ".keepalive"

// notFound is a peer's refusal.
func notFound(operation string) error {
	return fmt.Errorf("%s: %w", operation, &api.StreamError{Code: api.StreamNotFound, Remote: true})
}

// nothing is a peer that publishes nothing.
type nothing struct{ api.Subscriber }

func (nothing) Subscribe(context.Context, api.BroadcastPath, api.TrackName, *api.SubscribeConfig) (api.TrackReader, error) {
	return nil, notFound("subscribe")
}

func (nothing) Fetch(context.Context, api.FetchRequest) (api.GroupReader, error) {
	return nil, notFound("fetch")
}

func (nothing) TrackInfo(context.Context, api.BroadcastPath, api.TrackName) (api.TrackInfo, error) {
	return api.TrackInfo{}, notFound("track info")
}
