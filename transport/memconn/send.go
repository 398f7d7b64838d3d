package memconn

import (
	"context"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A sendStream is the sending half of a stream.
type sendStream struct {
	conn *Conn
	peer *recvStream
	in   *incoming // nil on the opener's side

	cond     sync.Cond // signals changes to callers of Write
	deadline waiting.Deadline
	credit   int // how many more bytes the peer accepts

	closed  bool                   // Close was called
	reset   *transport.StreamError // by CancelWrite or by the peer
	over    bool                   // Context has ended with cause
	settled bool                   // the half was counted as ended in in
	cause   error
	life    transport.Life

	urgency     int8
	incremental bool
}

func (s *sendStream) init(c *Conn, peer *recvStream, in *incoming) {
	s.conn, s.peer, s.in = c, peer, in
	s.cond.L = c.mu
	s.credit = c.peer.config.StreamWindow
	s.urgency, s.incremental = transport.DefaultUrgency, true
}

// Write sends p in pieces, as credit allows.
func (s *sendStream) Write(p []byte) (int, error) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	defer s.leaveQueue()
	taken := 0
	for {
		if err := s.writeError(); err != nil {
			return taken, err
		}
		n := s.reserve(len(p) - taken)
		if n > 0 {
			c.send(frame{kind: frameData, recv: s.peer, data: p[taken : taken+n]})
			taken += n
		}
		if taken == len(p) {
			return taken, nil
		}
		if n == 0 {
			s.cond.Wait()
		}
	}
}

// writeError returns the reason why nothing can be written, or nil.
func (s *sendStream) writeError() error {
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

// reserve uses up to n bytes of the credit of the stream and the connection.
// If the connection has none, the stream queues for it.
func (s *sendStream) reserve(n int) int {
	c := s.conn
	if n = min(n, s.credit); n == 0 {
		return 0
	}
	if c.credit == 0 || len(c.waiting) > 0 && c.waiting[0] != s {
		if !slices.Contains(c.waiting, s) {
			c.waiting = append(c.waiting, s)
		}
		return 0
	}
	n = min(n, c.credit)
	s.credit -= n
	c.credit -= n
	s.leaveQueue()
	return n
}

// leaveQueue removes the stream from the queue for credit, and wakes the next
// one.
func (s *sendStream) leaveQueue() {
	c := s.conn
	if i := slices.Index(c.waiting, s); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
		c.wakeFirst()
	}
}

// wakeFirst wakes the first stream in the queue if the connection has credit.
func (c *Conn) wakeFirst() {
	if c.credit > 0 && len(c.waiting) > 0 {
		c.waiting[0].cond.Broadcast()
	}
}

// Close ends the stream in order. It always returns nil.
func (s *sendStream) Close() error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.over {
		if s.reset != nil {
			s.settle()
		}
		return nil
	}
	s.closed = true
	s.finish(context.Canceled)
	s.settle()
	c.send(frame{kind: frameFin, recv: s.peer})
	return nil
}

// CancelWrite resets the stream.
func (s *sendStream) CancelWrite(code uint64) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	if s.reset == nil {
		s.reset = &transport.StreamError{Code: code}
		s.finish(s.reset)
		c.send(frame{kind: frameReset, recv: s.peer, code: code})
	}
	s.settle()
}

// SetWriteDeadline bounds pending and later Writes.
func (s *sendStream) SetWriteDeadline(t time.Time) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if !s.over {
		s.deadline.Set(t, &s.cond)
	}
	return nil
}

// Context ends when the sending half is over.
func (s *sendStream) Context() context.Context {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.life.Context(s.cause)
}

// SetPriority stores the priority for Priority and has no other effect:
// bandwidth is unlimited, so there is nothing to rank.
func (s *sendStream) SetPriority(urgency int8, incremental bool) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.urgency, s.incremental = urgency, incremental
}

// Priority returns what was last passed to SetPriority.
func (s *sendStream) Priority() (urgency int8, incremental bool) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.urgency, s.incremental
}

// finish ends the context and wakes the callers of Write.
func (s *sendStream) finish(cause error) {
	if s.over {
		return
	}
	s.over, s.cause = true, cause
	s.life.End(cause)
	s.deadline.Stop()
	s.cond.Broadcast()
	delete(s.conn.halves, s)
}

// settle counts the half as ended, once the application knows of the end.
func (s *sendStream) settle() {
	if !s.settled {
		s.settled = true
		s.in.halfEnded()
	}
}

// onStop handles the peer's refusal, which it answers with a reset.
func (s *sendStream) onStop(code uint64) {
	s.in.announce()
	if s.over {
		return
	}
	s.reset = &transport.StreamError{Code: code, Remote: true}
	s.finish(s.reset)
	s.conn.send(frame{kind: frameReset, recv: s.peer, code: code})
}

func (s *sendStream) onCredit(n int) {
	s.credit += n
	s.cond.Broadcast()
}

func (s *sendStream) connEnded() { s.finish(s.conn.err) }
