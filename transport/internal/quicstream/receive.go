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
	ended  bool                   // Read has returned io.EOF
	cancel *transport.StreamError // set by CancelRead, unless ended
}

// NewReceive adapts r.
func NewReceive(o Owner, r Reader) *Receive {
	s := new(Receive)
	s.initReceive(o, r)
	return s
}

func (s *Receive) initReceive(o Owner, r Reader) { s.owner, s.half = o, r }

// Read implements [transport.ReceiveStream].
func (s *Receive) Read(p []byte) (int, error) {
	n, err := s.half.Read(p)
	if err == io.EOF {
		return n, s.endOfStream()
	}
	return n, translate(s.owner, err)
}

// endOfStream returns the error of a Read that got io.EOF from the library. After
// CancelRead it is not io.EOF: quic-go may take the peer's answer to that for
// the end of the stream, if it arrives while a Read is about to return.
func (s *Receive) endOfStream() error {
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
