package quicconn

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// A ticket is what a connection holds of its listener: a place among the
// handshakes that run at once, and then the socket. Its end gives back both. It
// is the connection's context, in which it is found.
type ticket struct {
	context.Context
	listener *Listener

	mu       sync.Mutex
	shaken   bool // the place was given back
	user     bool // of the socket
	released bool
}

type ticketKey struct{}

// ticketOf is the ticket of a connection that the listener has accepted.
func ticketOf(q *quic.Conn) *ticket { return q.Context().Value(ticketKey{}).(*ticket) }

// count refuses connections while too many are in their handshake, and when the
// listener is closed.
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

// use has the connection keep the socket open, until it ends.
func (t *ticket) use() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.released {
		t.user = true
		t.listener.users.Add(1)
	}
}

// shake gives back the place: the handshake is over, either way.
func (t *ticket) shake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.shaken {
		t.shaken = true
		t.listener.handshakes.Add(-1)
	}
}

// over is the end of the connection.
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

// verify has clients prove their address while many handshakes run.
func (l *Listener) verify(net.Addr) bool {
	return l.handshakes.Load() >= int64(l.options.MaxHandshakes)/2
}

// run accepts connections before their handshake is complete, and never waits
// for any of them. It ends before the socket does, or because of it.
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

// earlyAfter is when it is known of any connection whether it has early data.
const earlyAfter = time.Millisecond

// greet hands a connection to whom it is for: when its handshake is complete,
// or at once if the client sends before that.
func (l *Listener) greet(q *quic.Conn) {
	if l.allowsEarly {
		select {
		case <-q.HandshakeComplete():
		case <-q.Context().Done():
		case <-time.After(earlyAfter):
		}
		if s := q.ConnectionState(); s.Used0RTT && s.TLS.NegotiatedProtocol != protocolH3 {
			l.handOut(q)
			go l.confirm(q, nil) // accepted, it outlives Close
			return
		}
	}
	if l.confirm(q, l.closing) {
		l.handOut(q)
	}
}

// begin counts a handshake that Close waits for; false after Close.
func (l *Listener) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.greets.Add(1)
	return true
}

// confirm waits for the end of a handshake, but not for long. When that fails,
// or closing is closed meanwhile, it ends the connection and reports false.
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

// handOut hands a connection to whom it is for.
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

// queue has c wait for Accept, if there is room.
func (l *Listener) queue(c *conn) {
	select {
	case l.accepted <- c:
	default:
		_ = c.CloseWithError(codeInternal, "too many connections wait")
	}
}

// codeInternal is moq-lite's session code for a failure on this side.
const codeInternal = 1
