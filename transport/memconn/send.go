package memconn

import (
	"slices"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/streams"
)

// A sendStream is the sending half of a stream.
type sendStream struct {
	streams.SendHalf
	conn        *Conn
	peer        *recvStream
	in          *incoming // nil on the opener's side
	credit      int       // how many more bytes the peer accepts
	urgency     int8
	incremental bool
}

var _ streams.Sender = (*sendStream)(nil)

func (s *sendStream) init(c *Conn, peer *recvStream, in *incoming) {
	s.SendHalf.Init(&c.shared, s)
	s.conn, s.peer, s.in = c, peer, in
	s.credit = c.peer.config.StreamWindow
	s.urgency, s.incremental = transport.DefaultUrgency, true
}

// Write sends p in pieces, as credit allows.
func (s *sendStream) Write(p []byte) (int, error) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	defer s.leaveQueue()
	return s.WriteLocked(p)
}

// Take implements [streams.Sender].
func (s *sendStream) Take(p []byte) int {
	taken := 0
	for taken < len(p) {
		n := s.reserve(len(p) - taken)
		if n == 0 {
			break
		}
		s.conn.send(frame{kind: frameData, recv: s.peer, data: p[taken : taken+n]})
		taken += n
	}
	return taken
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
		c.waiting[0].Wake()
	}
}

// Finish implements [streams.Sender].
func (s *sendStream) Finish() {
	s.conn.send(frame{kind: frameFin, recv: s.peer})
	s.Tell()
}

// Reset implements [streams.Sender].
func (s *sendStream) Reset(code uint64) {
	s.conn.send(frame{kind: frameReset, recv: s.peer, code: code})
	s.Tell()
}

// Ended implements [streams.Sender].
func (s *sendStream) Ended() { s.in.halfEnded() }

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

// onStop handles the peer's refusal. What was written before a Close has been
// delivered, so there is nothing left to reset after it.
func (s *sendStream) onStop(code uint64) {
	s.in.announce()
	s.Refused(code)
}

func (s *sendStream) onCredit(n int) {
	s.credit += n
	s.Wake()
}
