package quicstream

import "time"

// A PlainReceive is a receiving half.
type PlainReceive struct {
	owner Owner
	half  PlainReader
}

// NewPlainReceive adapts r.
func NewPlainReceive(o Owner, r PlainReader) *PlainReceive {
	s := new(PlainReceive)
	s.init(o, r)
	return s
}

func (s *PlainReceive) init(o Owner, r PlainReader) { s.owner, s.half = o, r }

// Read implements [transport.ReceiveStream].
func (s *PlainReceive) Read(p []byte) (int, error) {
	n, err := s.half.Read(p)
	return n, translate(s.owner, err)
}

// CancelRead implements [transport.ReceiveStream].
func (s *PlainReceive) CancelRead(code uint64) { s.half.CancelRead(s.owner.StreamCode(code)) }

// SetReadDeadline implements [transport.ReceiveStream].
func (s *PlainReceive) SetReadDeadline(t time.Time) error { return s.half.SetReadDeadline(t) }

// A Receive is a receiving half of quic-go.
type Receive struct {
	PlainReceive
	full Reader
}

// NewReceive adapts r.
func NewReceive(o Owner, r Reader) *Receive {
	s := new(Receive)
	s.init(o, r)
	return s
}

func (s *Receive) init(o Owner, r Reader) {
	s.PlainReceive.init(o, r)
	s.full = r
}

// NotifyFinalSize implements [transport.FinalSizeNotifier].
func (s *Receive) NotifyFinalSize(f func()) {
	s.full.SetReceiveFinalSizeCallback(func(int64) { f() })
}
