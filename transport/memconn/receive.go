package memconn

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A recvStream is the receiving half of a stream.
type recvStream struct {
	conn *Conn
	peer *sendStream
	in   *incoming // nil on the opener's side

	cond     sync.Cond // signals changes to callers of Read
	deadline waiting.Deadline
	unread   waiting.Ring
	owed     int // bytes read since the last grant of credit

	fin       bool                   // the end has arrived
	reset     *transport.StreamError // by the peer
	cancelled *transport.StreamError // by CancelRead
	final     bool                   // the end or a reset has arrived
	ended     bool                   // Read has returned the end or the reset
	done      bool                   // the half has ended
}

func (r *recvStream) init(c *Conn, peer *sendStream, in *incoming) {
	r.conn, r.peer, r.in = c, peer, in
	r.cond.L = c.mu
}

// Read returns buffered data, and waits if there is none. It returns io.EOF
// together with the last bytes if the end has arrived by then.
func (r *recvStream) Read(p []byte) (int, error) {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	for {
		if err := r.readError(); err != nil {
			return 0, err
		}
		n := r.take(p)
		if r.fin && r.unread.Len() == 0 {
			r.ended = true
			r.checkDone()
			return n, io.EOF
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
		r.cond.Wait()
	}
}

// readError returns the reason why nothing can be read, or nil.
func (r *recvStream) readError() error {
	switch {
	case r.cancelled != nil:
		return r.cancelled
	case r.reset != nil:
		r.ended = true
		r.checkDone()
		return r.reset
	case r.ended:
		return io.EOF
	case r.conn.err != nil:
		return r.conn.err
	case r.deadline.Passed:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// take reads from the buffer. It returns the connection's credit at once,
// since other streams may wait for it, and the stream's when the buffer is
// empty or a quarter of the window was read, so that the writer is not woken
// for less.
func (r *recvStream) take(p []byte) int {
	n := r.unread.Take(p)
	if n == 0 {
		return 0
	}
	r.conn.giveBack(n)
	if r.owed += n; !r.final && (r.unread.Len() == 0 || r.owed >= r.conn.config.StreamWindow/4) {
		r.conn.send(frame{kind: frameCredit, send: r.peer, n: r.owed})
		r.owed = 0
	}
	return n
}

// giveBack grants the peer credit for n more bytes on the connection.
func (c *Conn) giveBack(n int) {
	if n > 0 {
		c.send(frame{kind: frameConnCredit, n: n})
	}
}

// CancelRead refuses the rest of the stream.
func (r *recvStream) CancelRead(code uint64) {
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.cancelled != nil || r.ended || c.err != nil {
		return
	}
	r.cancelled = &transport.StreamError{Code: code}
	c.giveBack(r.unread.Drop())
	if !r.final {
		c.send(frame{kind: frameStop, send: r.peer, code: code})
	}
	r.cond.Broadcast()
	r.checkDone()
}

// SetReadDeadline bounds pending and later Reads.
func (r *recvStream) SetReadDeadline(t time.Time) error {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	if !r.done && r.conn.err == nil {
		r.deadline.Set(t, &r.cond)
	}
	return nil
}

func (r *recvStream) onData(p []byte) {
	r.in.announce()
	if r.cancelled != nil {
		r.conn.giveBack(len(p))
		return
	}
	r.unread.Put(p)
	r.cond.Broadcast()
}

func (r *recvStream) onFin() {
	r.in.announce()
	r.fin = true
	r.finalKnown()
}

// onReset handles the peer's reset. It discards unread data even if the end
// has arrived; if Read has returned the end, nothing changes.
func (r *recvStream) onReset(code uint64) {
	r.in.announce()
	if r.ended || r.reset != nil {
		return
	}
	r.reset = &transport.StreamError{Code: code, Remote: true}
	r.conn.giveBack(r.unread.Drop())
	r.finalKnown()
}

func (r *recvStream) finalKnown() {
	r.final = true
	r.cond.Broadcast()
	r.checkDone()
}

// checkDone ends the half once the end or reset has arrived and the
// application knows of it, or has cancelled.
func (r *recvStream) checkDone() {
	if r.done || !r.final || r.cancelled == nil && !r.ended {
		return
	}
	r.done = true
	r.unread.Drop()
	r.deadline.Stop()
	delete(r.conn.halves, r)
	r.in.halfEnded()
}

func (r *recvStream) connEnded() {
	r.unread.Drop()
	r.deadline.Stop()
	r.cond.Broadcast()
}
