package streams

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// maxCode is the largest code of a reset (RFC 9000, section 16).
const maxCode = 1<<62 - 1

// A Sender is what a transport does for a SendHalf.
type Sender interface {
	// Take takes as many of the first bytes of p as there is room for, and
	// returns how many. Wake must be called when there is room again.
	Take(p []byte) int

	// Finish is called when the stream is closed: the end is to be sent after
	// what was taken, and then Tell to be called.
	Finish()

	// Reset is called when the stream is reset: what was taken and is not sent
	// is dropped, the peer is to be sent code, and then Tell to be called. It
	// may come after Finish, and must do nothing once the end was sent and
	// the peer cannot be told any more.
	Reset(code uint64)

	// Ended is called once, when the half ends: nothing is sent after it.
	Ended()
}

// A SendHalf is the sending half of a stream. Init must be called first.
type SendHalf struct {
	conn     *Conn
	sender   Sender
	cond     sync.Cond // signals changes to callers of Write
	deadline waiting.Deadline
	reset    *transport.StreamError // by CancelWrite or by the peer
	life     transport.Life

	closed  bool // by Close
	over    bool // nothing can be written any more; Context has ended
	settled bool // the application knows of the end
	told    bool // the end or the reset was sent to the peer
	ended   bool // settled and told, or the connection ended before the half was over
}

// Init adds the half to c, whose lock must be held.
func (s *SendHalf) Init(c *Conn, sender Sender) {
	s.conn, s.sender = c, sender
	s.cond.L = c.mu
	c.add(s)
}

// Write has the sender take p, and blocks while that has no room.
func (s *SendHalf) Write(p []byte) (int, error) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.WriteLocked(p)
}

// WriteLocked is Write for callers that hold the lock, which is released while
// it waits.
func (s *SendHalf) WriteLocked(p []byte) (int, error) {
	taken := 0
	for {
		if err := s.writeError(); err != nil {
			return taken, err
		}
		if taken += s.sender.Take(p[taken:]); taken == len(p) {
			return taken, nil
		}
		s.cond.Wait()
	}
}

// writeError returns the reason why nothing can be written, or nil.
func (s *SendHalf) writeError() error {
	switch {
	case s.reset != nil:
		s.settle()
		return s.reset
	case s.closed:
		return net.ErrClosed
	case s.conn.err != nil:
		return s.conn.err
	case s.deadline.Passed:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Wake wakes the callers of Write. The lock must be held.
func (s *SendHalf) Wake() { s.cond.Broadcast() }

// Close ends the stream in order. It always returns nil.
func (s *SendHalf) Close() error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.over {
		if s.reset != nil {
			s.settle()
		}
		return nil
	}
	s.closed = true
	s.finish()
	s.settle()
	s.sender.Finish()
	return nil
}

// CancelWrite resets the stream. It has no effect for the peer once that was
// sent the end and has to hear no more.
func (s *SendHalf) CancelWrite(code uint64) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.conn.err != nil {
		return
	}
	if s.reset == nil {
		s.abandon(&transport.StreamError{Code: min(code, maxCode)})
	}
	s.settle()
}

// Refused handles the peer's refusal of the stream, which is answered with a
// reset of the same code. It reports false, and does nothing, if the half was
// over before. The lock must be held.
func (s *SendHalf) Refused(code uint64) bool {
	if s.over {
		return false
	}
	s.abandon(&transport.StreamError{Code: code, Remote: true})
	return true
}

// abandon resets the stream.
func (s *SendHalf) abandon(reset *transport.StreamError) {
	s.reset = reset
	s.finish()
	s.sender.Reset(reset.Code)
}

// SetWriteDeadline bounds pending and later Writes. It always returns nil.
func (s *SendHalf) SetWriteDeadline(t time.Time) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if !s.over {
		s.deadline.Set(t, &s.cond)
	}
	return nil
}

// Context ends when the sending half is over.
func (s *SendHalf) Context() context.Context {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.life.Context(s.cause())
}

// cause returns why the half is over; nil if it is not.
func (s *SendHalf) cause() error {
	switch {
	case !s.over:
		return nil
	case s.closed: // a reset after it changes nothing
		return context.Canceled
	case s.reset != nil:
		return s.reset
	}
	return s.conn.err
}

// finish makes the half over: it ends the context and wakes the callers of
// Write.
func (s *SendHalf) finish() {
	if s.over {
		return
	}
	s.over = true
	s.life.End(s.cause())
	s.deadline.Stop()
	s.cond.Broadcast()
	delete(s.conn.halves, s)
}

// settle records that the application knows of the end.
func (s *SendHalf) settle() {
	s.settled = true
	s.checkEnded()
}

// Tell records that the end or the reset was sent, or enqueued to be sent. The
// lock must be held.
func (s *SendHalf) Tell() {
	s.told = true
	s.checkEnded()
}

// Told tells whether Tell was called. The lock must be held.
func (s *SendHalf) Told() bool { return s.told }

// Closed tells whether the stream was closed. The lock must be held.
func (s *SendHalf) Closed() bool { return s.closed }

func (s *SendHalf) checkEnded() {
	if s.settled && s.told && !s.ended {
		s.end()
	}
}

func (s *SendHalf) end() {
	s.ended = true
	s.sender.Ended()
}

func (s *SendHalf) connEnded() {
	s.finish()
	s.end()
}
