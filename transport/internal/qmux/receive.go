package qmux

import (
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A recvStream is the receiving half of a stream.
type recvStream struct {
	conn   *Conn
	stream *stream
	id     uint64

	cond     sync.Cond // signals changes to callers of Read
	deadline waiting.Deadline
	unread   waiting.Ring
	window   uint64
	offset   uint64 // how many bytes have arrived
	max      uint64 // the limit for offset granted to the peer
	owed     uint64 // bytes read since the last grant
	granting bool   // queued in outbox.grants

	fin       bool                   // the end has arrived
	reset     *transport.StreamError // by the peer
	cancelled *transport.StreamError // by CancelRead
	final     bool                   // the end or a reset has arrived
	ended     bool                   // Read has returned the end or the reset
	done      bool                   // the half has ended
}

func (r *recvStream) initReceive(c *Conn, st *stream, window uint64) {
	r.conn, r.stream, r.window, r.max = c, st, window, window
	r.cond.L = &c.mu
	c.halves[r] = struct{}{}
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

// take reads from the buffer. It grants the peer new credit once a quarter of
// the window was read, to save frames.
func (r *recvStream) take(p []byte) int {
	n := r.unread.Take(p)
	if n == 0 {
		return 0
	}
	r.conn.giveBack(n)
	if r.owed += uint64(n); !r.final && !r.granting && r.owed >= r.window/4 {
		r.granting = true
		r.conn.out.grants = append(r.conn.out.grants, r)
		r.conn.cond.Signal()
	}
	return n
}

// grant raises the peer's limit by what was read, and returns the frame that
// tells it.
func (r *recvStream) grant() frame {
	r.max += r.owed
	r.owed, r.granting = 0, false
	return frame{kind: frameMaxStreamData, id: r.id, value: r.max}
}

// giveBack grants the peer credit for n more bytes on the connection. The peer
// is told when a quarter of the window has been read, or when its credit runs
// low: the unread data of other streams may use up the rest.
func (c *Conn) giveBack(n int) {
	if n == 0 || c.err != nil {
		return
	}
	c.owed += uint64(n)
	quarter := c.local.MaxData / 4
	if !c.grantData && (c.owed >= quarter || c.recvMax-c.received < quarter) {
		c.grantData = true
		c.cond.Signal()
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
	code = min(code, maxVarint)
	r.cancelled = &transport.StreamError{Code: code}
	c.giveBack(r.unread.Drop())
	if !r.final {
		c.assign(&r.stream.sendStream)
		c.control(frame{kind: frameStopSending, id: r.id, code: code})
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

// onData handles a STREAM frame. The carrier keeps the order of frames, so an
// offset in it must be the expected one.
func (r *recvStream) onData(f *frame) error {
	switch {
	case r.reset != nil:
		return errAfterEnd
	case f.hasOffset && f.offset != r.offset:
		return errOffset
	case r.fin && (len(f.data) > 0 || !f.fin):
		return errAfterEnd
	case r.fin:
		return nil
	}
	if err := r.count(uint64(len(f.data))); err != nil {
		return err
	}
	if r.cancelled != nil {
		r.conn.giveBack(len(f.data))
	} else {
		r.unread.Put(f.data)
	}
	if f.fin {
		r.fin = true
		r.finalKnown()
	}
	r.cond.Broadcast()
	return nil
}

// count uses up n bytes of the credit of the stream and of the connection.
func (r *recvStream) count(n uint64) error {
	c := r.conn
	if n > r.max-r.offset || n > c.recvMax-c.received {
		return errFlowControl
	}
	r.offset += n
	c.received += n
	return nil
}

// onReset handles RESET_STREAM. It discards unread data even if the end has
// arrived; if Read has returned the end, nothing changes. A final size below
// the number of bytes that have arrived is accepted, as the reference
// implementations do, since some peers do not count.
func (r *recvStream) onReset(code, size uint64) error {
	if r.reset != nil || r.fin {
		if size > r.offset {
			return errFinalSize
		}
	} else if size > r.offset {
		missing := size - r.offset
		if err := r.count(missing); err != nil {
			return err
		}
		r.conn.giveBack(int(missing))
	}
	if r.ended || r.reset != nil {
		return nil
	}
	r.reset = &transport.StreamError{Code: code, Remote: true}
	r.conn.giveBack(r.unread.Drop())
	r.finalKnown()
	return nil
}

func (r *recvStream) finalKnown() {
	r.final = true
	if r.granting {
		r.granting = false
		i := slices.Index(r.conn.out.grants, r)
		r.conn.out.grants = slices.Delete(r.conn.out.grants, i, i+1)
	}
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
	r.stream.halfEnded(r.conn)
}

func (r *recvStream) connEnded() {
	r.unread.Drop()
	r.deadline.Stop()
	r.cond.Broadcast()
}
