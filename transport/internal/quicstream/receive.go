package quicstream

import (
	"io"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// A Receive is a receiving half.
type Receive struct {
	owner Owner
	half  Reader

	mu     sync.Mutex
	ended  bool                   // the end was read
	cancel *transport.StreamError // of CancelRead before that
}

// NewReceive adapts r.
func NewReceive(o Owner, r Reader) *Receive {
	s := new(Receive)
	s.init(o, r)
	return s
}

func (s *Receive) init(o Owner, r Reader) { s.owner, s.half = o, r }

// Read implements [transport.ReceiveStream].
func (s *Receive) Read(p []byte) (int, error) {
	n, err := s.half.Read(p)
	if err == io.EOF {
		return n, s.end()
	}
	return n, translate(s.owner, err)
}

// end is the error of a Read that came to the end. quic-go takes the peer's
// answer to a CancelRead for the end, if it comes while a Read is about to
// return.
func (s *Receive) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		return s.cancel
	}
	s.ended = true
	return io.EOF
}

// CancelRead implements [transport.ReceiveStream].
func (s *Receive) CancelRead(code uint64) {
	s.mu.Lock()
	if !s.ended && s.cancel == nil {
		s.cancel = &transport.StreamError{Code: code}
	}
	s.mu.Unlock()
	if !s.owner.Closing() {
		s.half.CancelRead(s.owner.StreamCode(code))
	}
}

// SetReadDeadline implements [transport.ReceiveStream].
func (s *Receive) SetReadDeadline(t time.Time) error { return s.half.SetReadDeadline(t) }
