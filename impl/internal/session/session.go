// Package session is the moq-lite protocol: it makes an [api.Session] of a
// [transport.Conn], whatever carries it, and knows no QUIC library.
//
// A session accepts the peer's streams and hands each to the handler of its
// type (accept.go); the other files hold one kind of stream each, with both of
// its directions. Groups are read in group_reader.go and written in
// group_writer.go, where egress.go decides what goes out next. What needs no
// session is in packages of its own: control streams in control, announcements in
// announce, the rule of what is too old in age, sets of group numbers in numbers.
// What these need of a session is in host.go.
//
// A Session has three parts with locks of their own: how long it lasts (life), what
// the peer has said of itself (peer), and the requests of the peer that are being
// answered (requests). Locks are taken in this order: first that of what nobody
// reads (unread) or of a publication; then that of an outbox, of the egress, or of a
// backlog; then that of a group; then Session.mu; and last those of the three parts.
//
// No callback of the application runs on an accept loop. A track does not wait
// for the reader of another, but for two bounded waits: a reader that has just
// fallen behind holds up what arrives for 10 ms (readerGrace), and a writer waits
// while dozens of groups are queued and only their number is in the way. Every
// goroutine is the session's, ends with it, and is waited for by Terminate; those
// in which handlers run are told by their contexts and not waited for.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

// Options set up a session.
type Options struct {
	// Config is the user's; it is valid, or nil.
	Config *api.Config

	// Hop is this end's identity, not 0.
	Hop api.Hop

	// Mux is what the peer may subscribe to. A server may leave it to
	// Authorize.
	Mux *api.TrackMux

	// Client says that this end has dialled.
	Client bool

	// URL is what a client has dialled. Its path and query go into the SETUP
	// where the connection does not carry them. It is not changed.
	URL *url.URL

	// Authorize decides, once the peer's URL is known, what the peer may
	// subscribe to; nil leaves it at Mux. Its error refuses the session.
	Authorize func(ctx context.Context, s api.SessionState) (*api.TrackMux, error)

	// Logger gets what no error tells; not nil.
	Logger *slog.Logger
}

// A Session is one end of a moq-lite connection. It implements [api.Session].
type Session struct {
	conn    transport.Conn
	version *message.Version
	opts    Options
	limits  *limits
	unread  unread

	began time.Time

	life     life
	peer     peer
	requests requests
	ready    signal.Event // mux is decided
	hearing  sync.Once    // begins with datagrams

	mu       sync.Mutex
	sentAway bool
	egress   *egress   // made for the first group,
	outgoing *outgoing // and for the first datagram
	mux      *api.TrackMux
	nextID   uint64
	subs     map[uint64]*subscription
	pubs     map[uint64]*publication
	broken   Open   // what ended with the connection, not by itself
	dropped  uint64 // groups
	unheard  uint64 // announcements that were left out
}

var _ api.Session = (*Session)(nil)

// New begins a session on conn, which it owns from now on. It sends what the
// version has each end say first and returns without waiting for the peer. A
// connection whose negotiated protocol is not a known version is closed and
// refused: it is never taken for another one.
func New(conn transport.Conn, opts Options) (*Session, error) {
	protocol := conn.State().Protocol
	version := message.VersionByName(protocol)
	if version == nil {
		_ = conn.CloseWithError(uint64(api.SessionVersionNegotiationFailed), "no moq-lite version was negotiated")
		return nil, fmt.Errorf("%w: the peer negotiated %q", api.ErrUnsupportedVersion, protocol)
	}
	s := &Session{conn: conn, version: version, opts: opts, began: time.Now(), mux: opts.Mux}
	s.peer.url = opts.URL
	s.setConfig(opts.Config)
	s.findRoot()
	s.start()
	return s, nil
}

// State is what a connection says of a session on it.
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

// knownURL is the connection's URL. Where nothing has told it, that is the host,
// by its name or its address.
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

// clock is the time since the session began. It costs half of what time.Now does,
// of which there would be several for each group.
func (s *Session) clock() time.Duration { return time.Since(s.began) }

// in is the deadline of what may take so long from now on.
func (s *Session) in(d time.Duration) time.Time { return s.began.Add(s.clock() + d) }

// limits are a user's settings; sessions share the usual ones.
type limits struct {
	api.Limits
	setup time.Duration // what a peer may take for a first message
}

var usualLimits = limitsOf(new(api.Config))

// limitsOf are the settings, or the documented defaults.
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

// setConfig takes the user's settings, or the usual ones.
func (s *Session) setConfig(c *api.Config) {
	s.limits = usualLimits
	if c != nil {
		s.limits = limitsOf(c)
	}
	s.unread.limit = s.limits.UnreadBytes
	s.unread.weighed.L = &s.unread.mu
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
		s.expectSetup()
	} else {
		s.peer.setupIn.Happen()
	}
	if s.opts.Authorize == nil {
		s.letIn()
	} else {
		s.life.spawn(s.authorize)
	}
	s.life.spawn(s.acceptStreams)
	s.life.spawn(s.acceptUniStreams)
}

// call runs f, which calls a handler of the application, in a goroutine that the
// session does not wait for. A panic is logged and told to the peer by failed.
func (s *Session) call(handler string, f, failed func()) {
	control.Call(s.opts.Logger, handler, f, failed)
}

// end ends the session. The first end wins.
func (s *Session) end(cause *api.SessionError) {
	gone, first := s.life.end(cause)
	if !first {
		return
	}
	s.peer.stopWaiting()
	s.requests.stop()
	s.mu.Lock()
	sending := s.egress // none is made any more that does not find the end
	s.mu.Unlock()
	if sending != nil {
		sending.stop()
	}
	if gone != nil {
		go s.life.afterwards(gone)
	}
}

// heed says what a write failed with, as streamError does. If that was the end of
// the connection, it has the session end first, so that contexts tell.
func (s *Session) heed(err error) error {
	if lost, ok := errors.AsType[*transport.ConnError](err); ok {
		s.end(sessionError(lost))
	}
	return streamError(err)
}

// fail ends the session because of what the peer did. It may be called from
// the session's own goroutines.
//
// The connection ends first. What the end of the session cuts short would be
// told otherwise: the peer would see groups that were reset, and tracks that have
// ended, and the loss of the session that explains it later.
func (s *Session) fail(code api.SessionErrorCode, reason string) {
	cause := &api.SessionError{Code: code, Reason: reason}
	s.life.endsHere(cause)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = s.conn.CloseWithError(uint64(code), reason)
	}()
	select {
	case <-s.conn.Context().Done(): // the peer may yet have to be told
	case <-closed:
	}
	s.end(cause)
	<-closed
}

// violation ends the session for breaking the protocol.
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

// WhenGone has f called, once, in a goroutine of its own, when Wait would return.
// It is for the one who began the session.
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
	stats.GroupsWriting = s.groupsWriting()
	stats.GroupsReading = s.unread.groups()
	stats.DatagramsDropped = s.datagramsDropped()
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Subscriptions, stats.Publications = len(s.subs), len(s.pubs)+s.broken.Publications
	stats.GroupsDropped, stats.AnnouncementsDropped = s.dropped, s.unheard
	return stats
}

// Ready waits until the session may serve its peer: at once for a client, and
// for a server when the peer has said where it wants to and was let in.
func (s *Session) Ready(ctx context.Context) error { return s.await(ctx, &s.ready) }

// await waits for an event, or for the end of the session or ctx.
func (s *Session) await(ctx context.Context, e *signal.Event) error {
	if e.Happened() {
		return nil
	}
	select {
	case <-e.Done():
		return nil
	case <-s.Context().Done():
		return s.life.err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// WaitForSetup waits for the peer's SETUP, in versions that have one.
func (s *Session) WaitForSetup(ctx context.Context) error { return s.await(ctx, &s.peer.setupIn) }

// letIn begins to serve the peer. Our SETUP comes no earlier, so that who waits
// for it learns of a refusal instead.
func (s *Session) letIn() {
	s.ready.Happen()
	if s.version.Setup {
		s.life.spawn(s.sendSetup)
	}
}

// authorize asks the application whether the peer is welcome, once it has said
// where it wants to.
func (s *Session) authorize() {
	if !s.conn.State().CarriesURL {
		if err := s.WaitForSetup(s.Context()); err != nil {
			return
		}
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
		if mux != nil {
			s.mu.Lock()
			s.mux = mux
			s.mu.Unlock()
		}
		s.letIn()
	}
}

// lookup finds what is published at a path, for a request of the peer. A peer is
// not served what comes from itself: it was not announced that, and means another
// publisher.
func (s *Session) lookup(st *peerStream, path api.BroadcastPath) (*api.Publication, error) {
	s.mu.Lock()
	mux := s.mux
	s.mu.Unlock()
	if st.late {
		return nil, &api.StreamError{Code: api.StreamGoingAway}
	}
	p, err := mux.Lookup(path)
	if err != nil {
		return nil, &api.StreamError{Code: api.StreamUnroutable}
	}
	if h, passesOn := p.Handler().(api.OriginHandler); passesOn && h.Origin() == api.Session(s) {
		return nil, &api.StreamError{Code: api.StreamUnroutable}
	}
	return p, nil
}

// refused is why no new request may be made, or nil.
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
