package quicconn

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// A ticket holds what a connection uses of its listener: one of the
// MaxHandshakes places while its handshake runs, and the socket until the
// connection ends. It is the context that quic-go gives the connection, and
// releases both when that context ends.
type ticket struct {
	context.Context
	listener *Listener

	mu       sync.Mutex
	shaken   bool // the place among the handshakes was released
	user     bool // the connection is counted in Listener.users
	released bool // the connection has ended
}

type ticketKey struct{}

// ticketOf returns the ticket of a connection that the listener has accepted.
func ticketOf(q *quic.Conn) *ticket { return q.Context().Value(ticketKey{}).(*ticket) }

// count is quic-go's ConnContext: it makes the ticket of each new connection.
// It refuses connections while too many handshakes run, and after Close.
func (l *Listener) count(ctx context.Context, _ *quic.ClientInfo) (context.Context, error) {
	if l.isClosing() {
		return nil, net.ErrClosed
	}
	if l.handshakes.Add(1) > int64(l.options.MaxHandshakes) {
		l.handshakes.Add(-1)
		return nil, errors.New("too many handshakes")
	}
	t := &ticket{Context: ctx, listener: l}
	context.AfterFunc(ctx, t.over)
	return t, nil
}

// Value implements [context.Context].
func (t *ticket) Value(key any) any {
	if key == (ticketKey{}) {
		return t
	}
	return t.Context.Value(key)
}

// use counts the connection as a user of the socket, which stays open until
// the connection has ended.
func (t *ticket) use() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.released {
		t.user = true
		t.listener.users.Add(1)
	}
}

// shake releases the place among the handshakes: the handshake has succeeded
// or failed.
func (t *ticket) shake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.shaken {
		t.shaken = true
		t.listener.handshakes.Add(-1)
	}
}

// over releases everything: the connection has ended.
func (t *ticket) over() {
	t.shake()
	t.mu.Lock()
	user := t.user
	t.released = true
	t.mu.Unlock()
	if user {
		_ = t.listener.release()
	}
}

// verify is quic-go's VerifySourceAddress: clients must prove their address
// while half of the allowed handshakes run.
func (l *Listener) verify(net.Addr) bool {
	return l.handshakes.Load() >= int64(l.options.MaxHandshakes)/2
}

// run accepts connections before their handshake is complete, and gives each a
// goroutine, so that none delays another. It ends when the quic-go listener is
// closed or the socket fails.
func (l *Listener) run() {
	defer close(l.done)
	for {
		q, err := l.early.Accept(context.Background())
		if err != nil {
			l.err = err
			return
		}
		ticketOf(q).use()
		l.watch.follow(&watched{Conn: q})
		if !l.begin() {
			_ = q.CloseWithError(0, "")
			continue
		}
		go func() {
			defer l.greets.Done()
			l.greet(q)
		}()
	}
}

// earlyAfter is how long greet waits to see whether a connection has early
// data.
const earlyAfter = time.Millisecond

// greet passes a connection on when its handshake is complete, or at once if
// the client sends early data.
func (l *Listener) greet(q *quic.Conn) {
	if l.allowsEarly {
		select {
		case <-q.HandshakeComplete():
		case <-q.Context().Done():
		case <-time.After(earlyAfter):
		}
		if s := q.ConnectionState(); s.Used0RTT && s.TLS.NegotiatedProtocol != protocolH3 {
			l.handOut(q)
			go l.confirm(q, nil) // no closing: Close leaves accepted connections alone
			return
		}
	}
	if l.confirm(q, l.closing) {
		l.handOut(q)
	}
}

// begin counts a handshake that Close must wait for. It reports false after
// Close.
func (l *Listener) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.greets.Add(1)
	return true
}

// confirm waits until a handshake is complete, for at most HandshakeTimeout.
// It closes the connection and reports false if the handshake fails or times
// out, or if closing is closed meanwhile.
func (l *Listener) confirm(q *quic.Conn, closing <-chan struct{}) bool {
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
	ticketOf(q).shake()
	return true
}

// handOut passes a connection to H3 or to the queue of Accept, by its ALPN.
func (l *Listener) handOut(q *quic.Conn) {
	switch {
	case l.isClosing():
		_ = q.CloseWithError(0, "")
	case q.ConnectionState().TLS.NegotiatedProtocol == protocolH3:
		go func() {
			if err := l.options.H3(q); err != nil && l.options.Logger != nil {
				l.options.Logger.Debug("HTTP/3 failed", "remote", q.RemoteAddr(), "error", err)
			}
		}()
	default:
		l.queue(wrap(q, nil))
	}
}

// queue adds c to the queue of Accept, or closes it if the queue is full.
func (l *Listener) queue(c *conn) {
	select {
	case l.accepted <- c:
	default:
		_ = c.CloseWithError(codeInternal, "too many connections wait")
	}
}

// codeInternal is moq-lite's session code for an internal error.
const codeInternal = 1
