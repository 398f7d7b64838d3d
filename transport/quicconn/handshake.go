package quicconn

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
)

// A connLease holds what a connection uses of its listener: one of the
// MaxHandshakes places while its handshake runs, and the socket until the
// connection ends. It is the context that quic-go gives the connection, and
// releases both when that context ends.
type connLease struct {
	context.Context
	listener *Listener
	remote   net.Addr

	mu                sync.Mutex
	handshakeReleased bool // the place among the handshakes was released
	holdsSocket       bool // the connection is counted in Listener.users
	ended             bool // the connection has ended
}

type leaseKey struct{}

// leaseOf returns the lease of a connection that the listener has accepted.
func leaseOf(q *quic.Conn) *connLease { return q.Context().Value(leaseKey{}).(*connLease) }

// connContext is quic-go's ConnContext: it makes the lease of each new
// connection. It refuses connections while too many handshakes run, and after
// Close.
func (l *Listener) connContext(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
	if l.isClosing() {
		return nil, net.ErrClosed
	}
	if l.handshakes.Add(1) > int64(l.options.MaxHandshakes) {
		l.handshakes.Add(-1)
		return nil, errors.New("too many handshakes")
	}
	t := &connLease{Context: ctx, listener: l, remote: client.RemoteAddr}
	context.AfterFunc(ctx, t.releaseAll)
	return t, nil
}

// Value implements [context.Context].
func (t *connLease) Value(key any) any {
	if key == (leaseKey{}) {
		return t
	}
	return t.Context.Value(key)
}

// holdSocket counts the connection as a user of the socket, which stays open until
// the connection has ended.
func (t *connLease) holdSocket() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.holdsSocket = true
		t.listener.users.Add(1)
	}
}

// releaseHandshake releases the place among the handshakes: the handshake has
// succeeded or failed.
func (t *connLease) releaseHandshake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.handshakeReleased {
		t.handshakeReleased = true
		t.listener.handshakes.Add(-1)
	}
}

// releaseAll releases everything: the connection has ended.
func (t *connLease) releaseAll() {
	t.releaseHandshake()
	if e, ok := errors.AsType[*quic.TransportError](context.Cause(t.Context)); ok && !e.Remote && e.ErrorCode == noCommonProtocol {
		t.listener.tellRefused(t.remote, transport.ErrNoCommonProtocol)
	}
	t.mu.Lock()
	user := t.holdsSocket
	t.ended = true
	t.mu.Unlock()
	if user {
		_ = t.listener.releaseSocket()
	}
}

// verifySourceAddress is quic-go's VerifySourceAddress: clients must prove
// their address while half of the allowed handshakes run.
func (l *Listener) verifySourceAddress(net.Addr) bool {
	return l.handshakes.Load() >= int64(l.options.MaxHandshakes)/2
}

// acceptConns accepts connections before their handshake is complete, and gives
// each a goroutine, so that none delays another. It ends when the quic-go
// listener is closed or the socket fails.
func (l *Listener) acceptConns() {
	defer close(l.done)
	for {
		q, err := l.early.Accept(context.Background())
		if err != nil {
			l.err = err
			return
		}
		leaseOf(q).holdSocket()
		l.watch.addConn(&watchedConn{Conn: q})
		if !l.beginHandshake() {
			_ = q.CloseWithError(0, "")
			continue
		}
		go func() {
			defer l.handshaking.Done()
			l.deliverConn(q)
		}()
	}
}

// earlyWait is how long deliverConn waits to see whether a connection has early
// data.
const earlyWait = time.Millisecond

// deliverConn passes a connection on when its handshake is complete, or at once if
// the client sends early data.
func (l *Listener) deliverConn(q *quic.Conn) {
	if l.allowsEarly {
		select {
		case <-q.HandshakeComplete():
		case <-q.Context().Done():
		case <-time.After(earlyWait):
		}
		if s := q.ConnectionState(); s.Used0RTT && s.TLS.NegotiatedProtocol != protocolH3 {
			l.dispatch(q)
			go l.awaitHandshake(q, nil) // no closing: Close leaves accepted connections alone
			return
		}
	}
	if l.awaitHandshake(q, l.closing) {
		l.dispatch(q)
	}
}

// beginHandshake counts a handshake that Close must wait for. It reports false
// after Close.
func (l *Listener) beginHandshake() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.handshaking.Add(1)
	return true
}

// awaitHandshake waits until a handshake is complete, for at most HandshakeTimeout.
// It closes the connection and reports false if the handshake fails or times
// out, or if closing is closed meanwhile.
func (l *Listener) awaitHandshake(q *quic.Conn, closing <-chan struct{}) bool {
	timer := time.AfterFunc(l.options.HandshakeTimeout, func() { _ = q.CloseWithError(0, "handshake timeout") })
	defer timer.Stop()
	select {
	case <-q.HandshakeComplete():
	case <-q.Context().Done():
		return false
	case <-closing:
		_ = q.CloseWithError(0, "")
		return false
	}
	leaseOf(q).releaseHandshake()
	return true
}

// dispatch passes a connection to H3 or to the queue of Accept, by its ALPN.
func (l *Listener) dispatch(q *quic.Conn) {
	switch {
	case l.isClosing():
		_ = q.CloseWithError(0, "")
	case q.ConnectionState().TLS.NegotiatedProtocol == protocolH3:
		go func() {
			if err := l.options.H3(q); err != nil && l.options.Logger != nil {
				l.options.Logger.Debug("HTTP/3 failed", "remote", RemoteAddr(q), "error", err)
			}
		}()
	default:
		l.enqueue(wrap(q, nil))
	}
}

// enqueue adds c to the queue of Accept, or closes it if the queue is full.
func (l *Listener) enqueue(c *conn) {
	select {
	case l.accepted <- c:
	default:
		_ = c.CloseWithError(codeInternal, errFull.Error())
		l.tellRefused(c.State().Remote, errFull)
	}
}

var errFull = errors.New("too many connections wait")

// noCommonProtocol is the code of a handshake that fails for its ALPN (RFC 9001, section
// 8.1).
const noCommonProtocol quic.TransportErrorCode = 0x178

// tellRefused tells that a client was refused.
func (l *Listener) tellRefused(remote net.Addr, why error) {
	if l.options.Refused != nil {
		l.options.Refused(remote, why)
	}
}

// codeInternal is moq-lite's session code for an internal error.
const codeInternal = 1
