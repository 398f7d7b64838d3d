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
	in   *incoming // nil where the stream was opened

	cond     sync.Cond // what Write waits for has changed
	deadline waiting.Deadline
	credit   int // what the peer can take yet

	closed  bool                   // by Close
	reset   *transport.StreamError // by CancelWrite, or refused
	over    bool                   // Context has ended, because of cause
	settled bool                   // in knows of the end
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

// Write takes p as credit permits, a piece at a time.
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

// writeError is why nothing can be written now.
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

// reserve takes up to n bytes of the credit of stream and connection. Streams
// that lack the latter queue for it.
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

// leaveQueue lets the next stream have its turn.
func (s *sendStream) leaveQueue() {
	c := s.conn
	if i := slices.Index(c.waiting, s); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
		c.wakeFirst()
	}
}

// wakeFirst wakes the stream whose turn it is to use the connection's credit.
func (c *Conn) wakeFirst() {
	if c.credit > 0 && len(c.waiting) > 0 {
		c.waiting[0].cond.Broadcast()
	}
}

// Close ends the stream in order. It fails never.
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

// CancelWrite abandons the stream.
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

// SetPriority remembers the priority for Priority, and does no more: without a
// limit to the bandwidth there is nothing to rank.
func (s *sendStream) SetPriority(urgency int8, incremental bool) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.urgency, s.incremental = urgency, incremental
}

// Priority is what SetPriority was last told.
func (s *sendStream) Priority() (urgency int8, incremental bool) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.urgency, s.incremental
}

// finish ends the half on this side and wakes Write.
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

// settle counts the half as ended, which the application knows.
func (s *sendStream) settle() {
	if !s.settled {
		s.settled = true
		s.in.halfEnded()
	}
}

// onStop is the peer's refusal, which is answered by a reset.
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
