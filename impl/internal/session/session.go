// Package session implements the moq-lite protocol: it turns a [transport.Conn] into
// an [api.Session]. It works over any transport and knows no QUIC library.
//
// A session accepts the peer's streams (accept.go) and calls the handler of each one's
// type: accept.go lists those of unidirectional streams, request.go the others. A kind of
// stream has a file of its own, or several, for both ends. Code that needs no session is in packages of its own: the sending of groups
// in send, the receiving of groups in receive, control streams in control, announcements
// in announce, reports of the bitrate in probe, the maximum age of groups in age, what
// is known of group numbers in numbers. host.go has what these need of a session.
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
//   - slot: one write to the transport under way, and the right to it. Few are held at
//     a time. A write that waits for long, or that a group of higher rank preempts,
//     loses the right to another group and goes on.
//   - urgency: the priority that a stream has in the transport, 0 first.
//   - parked: said of a received group that no reader waits for.
//   - budget: how many bytes the parked groups of a session may hold.
//   - holder: the subscription or fetch that a received group belongs to.
//   - owner: the subscription or fetch that is served, to which a group being written
//     belongs.
//   - drop: to give up a received group that its reader is too slow for.
//   - gap: group numbers of a subscription that are known not to come.
//   - request: a bidirectional stream that the peer has opened (request.go).
//   - root: the path that a server's session is relative to (root.go).
//
// # Locks and goroutines
//
// A Session consists of parts, each with a lock of its own: its lifetime (life), what the
// peer has told about itself (peer), the peer's requests that are being answered
// (requests), the tracks that are read (reading) and those that are served (serving), and
// the datagrams. Session itself has no lock. Locks are taken in this order: first that of
// a subscription, a publication or a fetch; then those of the budget of receive or of
// send, or that of an outbox; and last those of the parts, of which only that of life may
// be taken while another is held. (The queue of send that serving has just made is no
// exception: no other goroutine knows it yet.)
//
// No callback of the application runs on an accept loop. No track waits for the readers or
// writers of another, with two bounded exceptions: a reader that has just fallen behind
// delays all received groups for up to 10 ms (readerGrace), and a writer waits for up to
// 10 ms when its track queues a group behind dozens of others while the goroutine that
// serves the queue does not wait for the transport.
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
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/probe"
	"github.com/moqlite/moqlite/impl/internal/receive"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

// A Session is one end of a moq-lite connection. It implements [api.Session].
type Session struct {
	// New sets these. They do not change, except that opts.Mux may until the session is
	// ready.
	conn    transport.Conn
	version *message.Version
	opts    settings
	limits  *limits
	began   time.Time

	// The parts of a session, each with a lock of its own.
	life      life
	peer      peer
	requests  requests
	reading   reading
	serving   serving
	datagrams lazyDatagrams
	budget    receive.Budget // of received groups

	ready    signal.Event           // opts.Mux and permit are final, and the peer may be served
	permit   atomic.Pointer[permit] // what the peer may do; nil until that is known
	endTold  atomic.Bool            // the grant's Ended was called
	sentAway atomic.Bool            // GOAWAY was sent
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
		log := opts.settings().log
		Abandon(&log, opts.Grant, api.SessionVersionNegotiationFailed.String())
		return nil, fmt.Errorf("%w: the peer negotiated %q", api.ErrUnsupportedVersion, protocol)
	}
	s := &Session{conn: conn, version: version, opts: opts.settings(), limits: opts.limits(), began: time.Now()}
	s.peer.connected(&s.life, version, &opts, conn.State())
	s.budget.Init((*host)(s), receive.Options{
		Version: version, Began: s.began, FrameSize: s.limits.FrameSize, Bytes: s.limits.UnreadBytes,
		Server: opts.Unread,
	})
	switch {
	case opts.Grant != nil:
		s.apply(opts.Grant)
	case opts.Admit == nil:
		s.permit.Store(everything)
	}
	s.start(&opts)
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

// controlDeadline is the time until which the peer has to send, or to read, a message that
// is due now.
func (s *Session) controlDeadline() time.Time { return s.began.Add(s.clock() + s.limits.setup) }

// start starts the goroutines of the session. They read the peer's streams even while it is
// not known yet who the peer is; handlers wait for that (request.receiveFirst).
func (s *Session) start(o *Options) {
	if s.version.Setup {
		s.peer.expectSetup(s.limits.setup, func() {
			s.fail(api.SessionControlTimeout, fmt.Sprintf("no SETUP within %v", s.limits.setup))
		})
	}
	if s.permit.Load() != nil {
		s.beginServing(o)
	} else {
		s.life.spawn(func() { s.admitPeer(o) })
	}
	s.life.spawn(s.acceptStreams)
	s.life.spawn(s.acceptUniStreams)
}

// endWith ends the session with a cause. Only the first call has an effect.
func (s *Session) endWith(cause *api.SessionError) {
	var last func()
	if s.opts.log.wants(slog.LevelInfo) {
		last = s.logEnd
	}
	gone, first := s.life.endWith(cause, last)
	if !first {
		return
	}
	// Contexts have ended now. What waits without one is told here.
	s.peer.stopWaiting()
	s.requests.stop()
	s.budget.Leave()
	s.serving.stop(s.life.err())
	s.tellEnd()
	if gone != nil {
		go s.life.afterwards(gone)
	}
}

// translate translates the error of a write, as streamError does. If the connection was
// lost it ends the session first, so that contexts have ended when a caller gets the
// error.
func (s *Session) translate(err error) error {
	if lost, ok := errors.AsType[*transport.ConnError](err); ok {
		s.endWith(sessionError(lost))
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
	s.life.setEndedHere(cause)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = s.conn.CloseWithError(uint64(code), reason)
	}()
	select {
	case <-s.conn.Context().Done(): // CloseWithError may still be telling the peer
	case <-closed:
	}
	s.endWith(cause)
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

// Close implements [api.Session].
func (s *Session) Close() error { return s.Terminate(api.SessionNoError, "") }

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
	state.ID = s.opts.log.id
	s.peer.describe(&state)
	if p := s.permit.Load(); p != nil {
		state.Value = p.Value
	}
	return state
}

// Stats implements [api.Session].
func (s *Session) Stats() api.SessionStats {
	var stats api.SessionStats
	if c, ok := transport.As[transport.StatsConn](s.conn); ok {
		t := c.Stats()
		stats = api.SessionStats{
			RTT: t.RTT, MinRTT: t.MinRTT,
			BytesSent: t.BytesSent, BytesReceived: t.BytesReceived,
			PacketsSent: t.PacketsSent, PacketsReceived: t.PacketsReceived, PacketsLost: t.PacketsLost,
		}
		stats.EstimatedBitrate = probe.Estimate(t).BitsPerSecond
	}
	stats.GroupsWriting, stats.GroupsReading = s.serving.groups(), s.budget.Open()
	stats.GroupsDropped, stats.DatagramsDropped = s.budget.Dropped(), s.datagrams.dropped()
	stats.AnnouncementsDropped, stats.AnnouncementsRefused = s.reading.announcementsDropped()
	stats.AnnouncementsOwn = s.reading.own.Load()
	stats.Subscriptions, _ = s.reading.count()
	pubs, broken := s.serving.count()
	stats.Publications = pubs + broken
	return stats
}

// WaitForSetup waits for the peer's SETUP (moq-lite-05 and 06). In other versions it
// returns at once.
func (s *Session) WaitForSetup(ctx context.Context) error {
	_, err := s.peer.awaitSetup(ctx)
	return err
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
