package streams

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A Receiver is what a transport does for a ReceiveHalf.
type Receiver interface {
	// Freed is called when n bytes that have arrived need no room any more:
	// the peer may send as many more on the connection and, if Open, on the
	// stream.
	Freed(n int)

	// Refuse is called when the application wants no more of a stream whose
	// end is not known: the peer is to be sent code.
	Refuse(code uint64)

	// Ended is called once, when the half ends: nothing is received after it.
	Ended()
}

// A ReceiveHalf is the receiving half of a stream. Init must be called first.
type ReceiveHalf struct {
	conn     *Conn
	receiver Receiver
	cond     sync.Cond // signals changes to callers of Read
	deadline waiting.Deadline
	unread   waiting.Ring

	reset     *transport.StreamError // by the peer
	cancelled *transport.StreamError // by CancelRead
	fin       bool                   // the end has arrived
	settled   bool                   // Read has returned the end or the reset
	ended     bool                   // settled or cancelled, and final; or the connection has ended
}

// Init adds the half to c, whose lock must be held.
func (r *ReceiveHalf) Init(c *Conn, receiver Receiver) {
	r.conn, r.receiver = c, receiver
	r.cond.L = c.mu
	c.add(r)
}

// Read returns buffered data, and waits if there is none. It returns io.EOF
// together with the last bytes if the end has arrived by then.
func (r *ReceiveHalf) Read(p []byte) (int, error) {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	for {
		if err := r.readError(); err != nil {
			return 0, err
		}
		n := r.unread.Take(p)
		r.free(n)
		if r.fin && r.unread.Len() == 0 {
			r.settle()
			return n, io.EOF
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
		r.cond.Wait()
	}
}

// readError returns the reason why nothing can be read, or nil.
func (r *ReceiveHalf) readError() error {
	switch {
	case r.cancelled != nil:
		return r.cancelled
	case r.reset != nil:
		r.settle()
		return r.reset
	case r.settled:
		return io.EOF
	case r.conn.err != nil:
		return r.conn.err
	case r.deadline.Passed:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// free gives n bytes back.
func (r *ReceiveHalf) free(n int) {
	if n > 0 {
		r.receiver.Freed(n)
	}
}

// CancelRead refuses the rest of the stream.
func (r *ReceiveHalf) CancelRead(code uint64) {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	if r.cancelled != nil || r.settled || r.conn.err != nil {
		return
	}
	r.cancelled = &transport.StreamError{Code: min(code, maxCode)}
	r.free(r.unread.Drop())
	if !r.Final() {
		r.receiver.Refuse(r.cancelled.Code)
	}
	r.cond.Broadcast()
	r.checkEnded()
}

// SetReadDeadline bounds pending and later Reads. It always returns nil.
func (r *ReceiveHalf) SetReadDeadline(t time.Time) error {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	if !r.ended {
		r.deadline.Set(t, &r.cond)
	}
	return nil
}

// Data handles data of the peer, and the stream's end after it if fin is true.
// It must not be called once the half is final. The lock must be held.
func (r *ReceiveHalf) Data(p []byte, fin bool) {
	if r.cancelled != nil {
		r.free(len(p))
	} else if len(p) > 0 {
		r.unread.Put(p)
	}
	r.fin = fin
	r.cond.Broadcast()
	r.checkEnded()
}

// Reset handles the peer's reset. It discards unread data even if the end has
// arrived; if Read has returned the end, nothing changes. The lock must be
// held.
func (r *ReceiveHalf) Reset(code uint64) {
	if r.settled || r.reset != nil {
		return
	}
	r.reset = &transport.StreamError{Code: code, Remote: true}
	r.free(r.unread.Drop())
	r.cond.Broadcast()
	r.checkEnded()
}

// Unread returns how many bytes wait to be read. The lock must be held.
func (r *ReceiveHalf) Unread() int { return r.unread.Len() }

// Held returns how much memory the bytes that wait to be read take. The lock
// must be held.
func (r *ReceiveHalf) Held() int { return r.unread.Cap() }

// Open tells whether the peer may send more on the stream, and somebody may
// read it. The lock must be held.
func (r *ReceiveHalf) Open() bool { return !r.Final() && r.cancelled == nil }

// Final tells whether the end or a reset has arrived. The lock must be held.
func (r *ReceiveHalf) Final() bool { return r.fin || r.reset != nil }

// WasReset tells whether a reset has arrived that counts. The lock must be
// held.
func (r *ReceiveHalf) WasReset() bool { return r.reset != nil }

// settle records that the application knows of the end.
func (r *ReceiveHalf) settle() {
	r.settled = true
	r.checkEnded()
}

func (r *ReceiveHalf) checkEnded() {
	if r.Final() && (r.settled || r.cancelled != nil) && !r.ended {
		delete(r.conn.halves, r)
		r.end()
	}
}

func (r *ReceiveHalf) end() {
	r.ended = true
	r.unread.Drop()
	r.deadline.Stop()
	r.receiver.Ended()
}

func (r *ReceiveHalf) connEnded() {
	r.end()
	r.cond.Broadcast()
}
