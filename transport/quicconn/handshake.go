package quicconn

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// A ticket is a connection's place among the handshakes that run at once.
type ticket struct {
	once     sync.Once
	listener *Listener
}

type ticketKey struct{}

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
	t := &ticket{listener: l}
	context.AfterFunc(ctx, t.giveBack)
	return context.WithValue(ctx, ticketKey{}, t), nil
}

// giveBack is called when the handshake is over, either way.
func (t *ticket) giveBack() {
	t.once.Do(func() { t.listener.handshakes.Add(-1) })
}

// verify has clients prove their address while many handshakes run.
func (l *Listener) verify(net.Addr) bool {
	return l.handshakes.Load() >= int64(l.options.MaxHandshakes)/2
}

// run accepts connections before their handshake is complete, and never waits
// for any of them. It ends before the socket does.
func (l *Listener) run() {
	defer close(l.done)
	for {
		q, err := l.early.Accept(context.Background())
		if err != nil {
			return
		}
		l.users.Add(1)
		context.AfterFunc(q.Context(), l.release)
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

// greet waits for a handshake and hands the connection to whom it is for.
func (l *Listener) greet(q *quic.Conn) {
	timer := time.NewTimer(l.options.HandshakeTimeout)
	defer timer.Stop()
	select {
	case <-q.HandshakeComplete():
	case <-q.Context().Done():
		return
	case <-timer.C:
		_ = q.CloseWithError(0, "handshake timeout")
		return
	case <-l.closing:
		_ = q.CloseWithError(0, "")
		return
	}
	if t, ok := q.Context().Value(ticketKey{}).(*ticket); ok {
		t.giveBack()
	}
	switch {
	case l.isClosing():
		_ = q.CloseWithError(0, "")
	case q.ConnectionState().TLS.NegotiatedProtocol == protocolH3:
		go func() { _ = l.options.H3(q) }()
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
