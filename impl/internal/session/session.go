// Package session implements the moq-lite protocol: it turns a [transport.Conn] into
// an [api.Session]. It works over any transport and knows no QUIC library.
//
// A session accepts the peer's streams and passes each to the handler of its type
// (accept.go). The other files implement one kind of stream each, for both ends. Code
// that needs no session is in packages of its own: the sending of groups in send, the
// receiving of groups in receive, control streams in control, announcements in announce,
// the maximum age of groups in age, sets of group numbers in numbers. host.go has what
// these need of a session.
//
// # Terms
//
//   - writer, reader: the goroutine of the application that writes or reads a group.
//   - pending: bytes that a group has gathered and that no write has taken yet.
//   - backlog: the bytes that the groups of one lane have gathered and not passed to
//     the transport; too large a backlog blocks their writers.
//   - rank: a group's place in the order of sending.
//   - lane: the sending side's state of one subscription or fetch that is served.
//   - queue: in send, the groups that have pending bytes, by rank; in a
//     subscription, the groups that AcceptGroup has not returned.
//   - slot: one write to the transport under way. Few groups may hold one at a time.
//   - urgency: the priority that a stream has in the transport, 0 first.
//   - parked: said of a received group that no reader waits for.
//   - budget: how many bytes the parked groups of a session may hold.
//   - holder: the subscription or fetch that a received group belongs to.
//   - drop: to give up a received group that its reader is too slow for.
//   - gap: group numbers of a subscription that are known not to come.
//   - root: the path that a server's session is relative to (root.go).
//
// # Locks and goroutines
//
// A Session has three parts with locks of their own: its lifetime (life), what the
// peer has said of itself (peer), and the peer's requests that are being answered
// (requests). Locks are taken in this order: first that of a subscription or of a
// publication; then that of the budget of receive, of an outbox, of the queue of send, or
// of a backlog; then that of a group that is sent; then Session.mu; and last those of the
// three parts.
//
// No callback of the application runs on an accept loop. A track does not wait for the
// reader of another, with two bounded exceptions: a reader that has just fallen behind
// delays all received groups for up to 10 ms (readerGrace), and a writer waits while
// dozens of groups are queued and none of them waits for the transport (farAhead).
//
// Every goroutine belongs to the session and ends with it, and Terminate waits for it.
// Only those in which handlers of the application run are not waited for; their
// contexts end.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/receive"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

// Options are the settings of a session.
type Options struct {
	// Config is the application's configuration. It is valid, or nil.
	Config *api.Config

	// Hop is this end's hop id in routes, not 0.
	Hop api.Hop

	// Mux holds what the peer may subscribe to, unless Authorize decides otherwise.
	Mux *api.TrackMux

	// Client is set at the end that has dialled.
	Client bool

	// URL is what a client has dialled. If the connection does not carry its path
	// and query, SETUP does (moq-lite-05 and 06). It is not modified.
	URL *url.URL

	// Authorize is called once the peer's URL is known, and returns what the peer
	// may subscribe to; a nil mux stands for Mux. An error refuses the session. If
	// Authorize is nil, every peer may subscribe to Mux.
	Authorize func(ctx context.Context, s api.SessionState) (*api.TrackMux, error)

	// Logger receives what no caller gets as an error. It is not nil.
	Logger *slog.Logger
}

// A Session is one end of a moq-lite connection. It implements [api.Session].
type Session struct {
	conn    transport.Conn
	version *message.Version
	opts    Options
	limits  *limits
	budget  receive.Budget // of received groups

	began time.Time

	life     life
	peer     peer
	requests requests
	serving  serving
	ready    signal.Event // opts.Mux is final, and the peer may be served
	fetches  fetches
	sentAway atomic.Bool   // GOAWAY was sent
	hearing  sync.Once     // starts receiveDatagrams
	replaced atomic.Uint64 // number of datagrams that newer ones have replaced unread

	mu         sync.Mutex
	outgoing   *outgoing                // lazily made
	nextID     uint64                   // of the next subscription
	subs       map[uint64]*subscription // tracks being read, by id
	brokenSubs int                      // number of subs that were open when the connection was lost
	unheard    uint64                   // number of announcements left out for their limit
}

var _ api.Session = (*Session)(nil)

// New starts a session on conn and takes ownership of conn. It does not wait for the
// peer. If the negotiated protocol is not a known version, New closes conn and returns
// [api.ErrUnsupportedVersion].
func New(conn transport.Conn, opts Options) (*Session, error) {
	protocol := conn.State().Protocol
	version := message.VersionByName(protocol)
	if version == nil {
		_ = conn.CloseWithError(uint64(api.SessionVersionNegotiationFailed), "no moq-lite version was negotiated")
		return nil, fmt.Errorf("%w: the peer negotiated %q", api.ErrUnsupportedVersion, protocol)
	}
	s := &Session{conn: conn, version: version, opts: opts, began: time.Now()}
	s.peer.connected(&s.life, version, &s.opts, conn.State())
	s.setConfig(opts.Config)
	s.start()
	return s, nil
}

// State returns what a connection tells about a session on it.
func State(s transport.State) api.SessionState {
	return api.SessionState{
		Version:   api.Version(s.Protocol),
		Transport: s.Transport,
		URL:       knownURL(&s),
		TLS:       s.TLS,
		Local:     s.Local,
		Remote:    s.Remote,
	}
}

// knownURL returns the connection's URL. If it has none, the URL is that of the host:
// its name by TLS, or else the local address.
func knownURL(s *transport.State) *url.URL {
	switch {
	case s.URL != nil:
		return s.URL
	case s.TLS != nil && s.TLS.ServerName != "":
		return &url.URL{Host: s.TLS.ServerName}
	case s.Local != nil:
		return &url.URL{Host: s.Local.String()}
	default:
		return new(url.URL)
	}
}

// clock is the time since the session began. It costs half of what time.Now does, and
// is called several times for each group.
func (s *Session) clock() time.Duration { return time.Since(s.began) }

// in returns the deadline that is d from now.
func (s *Session) in(d time.Duration) time.Time { return s.began.Add(s.clock() + d) }

// limits are the limits of a session. Sessions without a Config share usualLimits.
type limits struct {
	api.Limits
	setup time.Duration // how long the peer may take for the first message of a stream
}

var usualLimits = limitsOf(new(api.Config))

// limitsOf returns the limits of a configuration, with the documented defaults.
func limitsOf(c *api.Config) *limits {
	return &limits{
		Limits: api.Limits{
			FrameSize:     orDefault(c.Limits.FrameSize, 32<<20),
			UnreadBytes:   orDefault(c.Limits.UnreadBytes, 8<<20),
			UnreadGroups:  orDefault(c.Limits.UnreadGroups, 1024),
			Announcements: orDefault(c.Limits.Announcements, 1_000_000),
			Requests:      orDefault(c.Limits.Requests, 4096),
		},
		setup: orDefault(c.SetupTimeout, 10*time.Second),
	}
}

// setConfig sets the limits of the session; c may be nil.
func (s *Session) setConfig(c *api.Config) {
	s.limits = usualLimits
	if c != nil {
		s.limits = limitsOf(c)
	}
	s.budget.Init((*host)(s), receive.Options{
		Version: s.version, Began: s.began, FrameSize: s.limits.FrameSize, Bytes: s.limits.UnreadBytes,
	})
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (s *Session) start() {
	if s.version.Setup {
		s.peer.expectSetup(s.limits.setup, func() {
			s.fail(api.SessionControlTimeout, fmt.Sprintf("no SETUP within %v", s.limits.setup))
		})
	}
	if s.opts.Authorize == nil {
		s.letIn()
	} else {
		s.life.spawn(s.authorize)
	}
	s.life.spawn(s.acceptStreams)
	s.life.spawn(s.acceptUniStreams)
}

// end ends the session with a cause. Only the first call has an effect.
func (s *Session) end(cause *api.SessionError) {
	gone, first := s.life.end(cause)
	if !first {
		return
	}
	s.peer.stopWaiting()
	s.requests.stop()
	s.serving.stop(s.life.err())
	if gone != nil {
		go s.life.afterwards(gone)
	}
}

// translate translates the error of a write, as streamError does. If the connection was
// lost it ends the session first, so that contexts have ended when a caller gets the
// error.
func (s *Session) translate(err error) error {
	if lost, ok := errors.AsType[*transport.ConnError](err); ok {
		s.end(sessionError(lost))
	}
	return streamError(err)
}

// fail ends the session and closes the connection with code and reason. It may be
// called from the session's own goroutines.
//
// The connection is closed before the session ends. Otherwise the peer would first
// see reset groups and ended tracks, and only then the close that explains them.
func (s *Session) fail(code api.SessionErrorCode, reason string) {
	cause := &api.SessionError{Code: code, Reason: reason}
	s.life.endsHere(cause)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = s.conn.CloseWithError(uint64(code), reason)
	}()
	select {
	case <-s.conn.Context().Done(): // CloseWithError may still be telling the peer
	case <-closed:
	}
	s.end(cause)
	<-closed
}

// violation ends the session because the peer has broken the protocol.
func (s *Session) violation(err error) {
	s.fail(api.SessionProtocolViolation, err.Error())
}

// Terminate implements [api.Session].
func (s *Session) Terminate(code api.SessionErrorCode, reason string) error {
	s.fail(code, reason)
	s.life.tasks.Wait()
	return nil
}

// Wait returns when the session has ended and its goroutines are gone.
func (s *Session) Wait() {
	<-s.Context().Done()
	s.life.tasks.Wait()
}

// WhenGone calls f once, in a goroutine of its own, when Wait would return. Only the
// code that started the session calls it, at most once.
func (s *Session) WhenGone(f func(*Session)) { s.life.whenGone(func() { f(s) }) }

// Context implements [api.Session].
func (s *Session) Context() context.Context { return s.life.context() }

// State implements [api.Session].
func (s *Session) State() api.SessionState {
	state := State(s.conn.State())
	s.peer.describe(&state)
	return state
}

// Stats implements [api.Session].
func (s *Session) Stats() api.SessionStats {
	var stats api.SessionStats
	if c, ok := s.conn.(transport.StatsConn); ok {
		t := c.Stats()
		stats = api.SessionStats{
			RTT: t.RTT, MinRTT: t.MinRTT,
			BytesSent: t.BytesSent, BytesReceived: t.BytesReceived,
			PacketsSent: t.PacketsSent, PacketsReceived: t.PacketsReceived, PacketsLost: t.PacketsLost,
		}
		stats.EstimatedBitrate = estimate(t).BitsPerSecond
	}
	stats.GroupsWriting = s.serving.groups()
	stats.GroupsReading = s.budget.Open()
	stats.DatagramsDropped = s.datagramsDropped()
	pubs, broken := s.serving.count()
	stats.Publications = pubs + broken
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Subscriptions = len(s.subs)
	stats.GroupsDropped, stats.AnnouncementsDropped = s.budget.Dropped(), s.unheard
	return stats
}

// Ready waits until the session may serve its peer. A session without Authorize is
// ready at once; otherwise it is when Authorize has let the peer in.
func (s *Session) Ready(ctx context.Context) error { return s.life.await(ctx, &s.ready) }

// WaitForSetup waits for the peer's SETUP (moq-lite-05 and 06). In other versions it
// returns at once.
func (s *Session) WaitForSetup(ctx context.Context) error {
	_, err := s.peer.awaitSetup(ctx)
	return err
}

// letIn begins to serve the peer and sends our SETUP. SETUP is not sent earlier, so
// that a peer that waits for it gets the refusal of Authorize instead.
func (s *Session) letIn() {
	s.ready.Happen()
	if s.version.Setup {
		s.life.spawn(s.sendSetup)
	}
}

// authorize calls Options.Authorize once the peer's URL is known: at once if the
// connection carries it, or else after the peer's SETUP.
func (s *Session) authorize() {
	if _, err := s.peer.awaitRoot(s.Context()); err != nil {
		return
	}
	mux, err := control.Ask(s.Context(), s.opts.Logger, "Authorize", func() (*api.TrackMux, error) {
		return s.opts.Authorize(s.Context(), s.State())
	})
	switch {
	case s.life.isOver():
	case err != nil:
		s.opts.Logger.Info("session refused", "remote", s.conn.State().Remote, "error", err)
		s.fail(api.SessionUnauthorized, "unauthorized")
	default:
		s.opts.Mux = orDefault(mux, s.opts.Mux)
		s.letIn()
	}
}

// refused returns an error if the application may make no new request.
func (s *Session) refused() error {
	switch {
	case s.life.isOver():
		return s.life.err()
	case s.requests.draining.Load(), s.peer.goneAway.Happened():
		return api.ErrGoingAway
	default:
		return nil
	}
}
