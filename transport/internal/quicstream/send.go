package quicstream

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
)

// A PlainSend is a sending half. There is one for each group that is sent, so
// that what few of them need is held elsewhere.
type PlainSend struct {
	owner Owner
	half  PlainWriter
	quick *Send // this half, where the library's can do more than it must

	mu        sync.Mutex
	deadline  *time.Time // nil for none
	life      transport.Life
	writing   bool // a Write is under way
	closed    bool // Close was called
	cancelled bool // CancelWrite was called
	bounded   bool // the library's half has had a deadline
}

// NewPlainSend adapts w.
func NewPlainSend(o Owner, w PlainWriter) *PlainSend {
	s := new(PlainSend)
	s.init(o, w)
	return s
}

func (s *PlainSend) init(o Owner, w PlainWriter) { s.owner, s.half = o, w }

// Write implements [transport.SendStream].
func (s *PlainSend) Write(p []byte) (int, error) {
	n, err := s.begin(p)
	waited := err == nil && (n < len(p) || len(p) == 0)
	if waited {
		var more int
		more, err = s.half.Write(p[n:])
		n += more
	}
	return n, translate(s.owner, s.end(err, waited))
}

// begin notes that a Write is under way, and does the quick part of it.
func (s *PlainSend) begin(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = true
	return s.writeQuickly(p)
}

// writeQuickly writes what it can of p without blocking. The lock is held.
func (s *PlainSend) writeQuickly(p []byte) (int, error) {
	switch {
	case s.closed && !s.cancelled:
		return 0, quic.ErrStreamClosed
	case s.quick == nil, len(p) == 0, s.closed:
		return 0, nil
	case s.deadline != nil && !time.Now().Before(*s.deadline):
		return 0, os.ErrDeadlineExceeded
	}
	return s.quick.tryWrite(p)
}

// precede sends what must precede the end of the stream.
func (s *PlainSend) precede() {
	if s.quick != nil {
		_, _ = s.quick.tryWrite(nil)
	}
}

// end notes that the Write is over. If Close came in between, it ends the
// stream.
func (s *PlainSend) end(err error, waited bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	if waited && s.quick != nil {
		s.quick.caughtUp()
	}
	if !s.closed {
		return err
	}
	s.finish()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return quic.ErrStreamClosed
	}
	return err
}

// Close implements [transport.SendStream]. quic-go's Close must not run beside
// a Write and would let it go on: a Write that is under way is stopped by its
// deadline, and ends the stream when it has counted what was taken.
func (s *PlainSend) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed, s.cancelled:
		return nil
	case s.writing:
		s.closed = true
		return s.bound(time.Unix(1, 0))
	}
	s.closed = true
	s.finish()
	return nil
}

// finish ends the stream. The library's error tells of a reset, which every
// Write tells as well.
func (s *PlainSend) finish() {
	if s.owner.Closing() {
		return
	}
	if s.bounded {
		_ = s.half.SetWriteDeadline(time.Time{})
	}
	s.precede()
	_ = s.half.Close()
}

// bound sets the deadline of the library's half. The lock is held.
func (s *PlainSend) bound(t time.Time) error {
	s.bounded = true
	return s.half.SetWriteDeadline(t)
}

// CancelWrite implements [transport.SendStream].
func (s *PlainSend) CancelWrite(code uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled = true
	if s.owner.Closing() {
		return
	}
	s.precede()
	s.half.CancelWrite(s.owner.StreamCode(code))
}

// SetWriteDeadline implements [transport.SendStream].
func (s *PlainSend) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = nil
	if !t.IsZero() {
		s.deadline = &t
	}
	if s.closed {
		return nil
	}
	return s.bound(t)
}

// Context implements [transport.SendStream].
func (s *PlainSend) Context() context.Context {
	s.mu.Lock()
	fresh := !s.life.Made()
	ctx := s.life.Context(nil)
	s.mu.Unlock()
	if !fresh {
		return ctx
	}
	theirs := s.half.Context()
	if theirs.Err() != nil {
		s.endLife(context.Cause(theirs))
	} else {
		context.AfterFunc(theirs, func() { s.endLife(context.Cause(theirs)) })
	}
	return ctx
}

// endLife ends the context: cause is why quic-go's has ended.
func (s *PlainSend) endLife(cause error) {
	cause = s.ending(cause)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life.End(cause)
}

// ending is the cause of the context's end. After Close it is the plain one.
func (s *PlainSend) ending(cause error) error {
	if errors.Is(cause, quic.ErrStreamClosed) || errors.Is(cause, context.Canceled) {
		return context.Canceled
	}
	return translate(s.owner, cause)
}

const (
	// maxQuick is how many bytes are sent the quick way in a row. They fit
	// into any packet: quic-go copies them again for each packet if they do
	// not.
	maxQuick = 1100

	// After quickPause, what was sent the quick way has left, as a rule, and
	// there may be another row: quickRows of them until a Write waits for what
	// has not, which costs the one who writes a goroutine; so it is rare.
	quickPause = time.Millisecond
	quickRows  = 128
)

// maxPrefix is how long prefixes are.
const maxPrefix = 16

// firsts are for what is sent first of a stream with a prefix.
var firsts = sync.Pool{New: func() any { return new([maxPrefix + maxQuick]byte) }}

// A Send is a sending half of quic-go.
type Send struct {
	PlainSend
	full   Writer
	prefix string // not sent yet

	row  uint16        // bytes sent the quick way in a row,
	rows uint8         // since another Write,
	at   time.Duration // and when the last
}

// NewSend adapts w. The peer reads prefix, which may be empty, before anything
// else; it goes out with the first bytes, the end, or the reset.
func NewSend(o Owner, w Writer, prefix string) *Send {
	s := new(Send)
	s.init(o, w, prefix)
	return s
}

func (s *Send) init(o Owner, w Writer, prefix string) {
	s.PlainSend.init(o, w)
	s.full, s.prefix, s.quick = w, prefix, s
}

// TryWrite implements [transport.TryWriter].
func (s *Send) TryWrite(p []byte) (int, error) {
	s.mu.Lock()
	n, err := s.writeQuickly(p)
	s.mu.Unlock()
	return n, translate(s.owner, err)
}

// caughtUp hears that all that was written before has been sent, but for the
// end of the last Write.
func (s *Send) caughtUp() { s.row, s.rows = 0, 0 }

// epoch is when the clock of the quick writes is 0.
var epoch = time.Now()

// fits tells whether n bytes more may be sent the quick way.
func (s *Send) fits(n int) bool {
	if n > maxQuick {
		return false
	}
	now := time.Since(epoch)
	if int(s.row)+n > maxQuick {
		if s.rows == quickRows || now-s.at < quickPause {
			return false
		}
		s.row = 0
		s.rows++
	}
	s.at = now
	s.row += uint16(n)
	return true
}

// tryWrite sends what it can of p without blocking: little writes, and the prefix
// with the beginning of the first one, if the peer's credit suffices. Without p
// it sends what must precede the end of the stream. The lock is held.
func (s *Send) tryWrite(p []byte) (int, error) {
	if len(s.prefix) > 0 {
		return s.writePrefix(p)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !s.fits(len(p)) {
		return 0, nil
	}
	switch err := s.full.TryWriteAll(p); {
	case err == nil:
		return len(p), nil
	case errors.Is(err, quic.ErrWouldBlock):
		return 0, nil
	default:
		return 0, err
	}
}

// writePrefix sends the prefix and the beginning of p. With the peer's credit,
// the prefix reaches the peer even if the stream is reset: only it tells whose
// stream that is. Without credit, quic-go takes as little as this without
// blocking.
func (s *Send) writePrefix(p []byte) (int, error) {
	part := p[:min(len(p), maxQuick)]
	first := firsts.Get().(*[maxPrefix + maxQuick]byte)
	defer firsts.Put(first)
	b := append(append(first[:0], s.prefix...), part...)
	s.prefix = ""
	switch err := s.full.TryWriteAll(b); {
	case err == nil:
		s.row, s.at = uint16(len(part)), time.Since(epoch)
		s.full.SetReliableBoundary()
		return len(part), nil
	case !errors.Is(err, quic.ErrWouldBlock):
		return 0, err
	}
	_ = s.full.SetWriteDeadline(time.Time{})
	_, err := s.full.Write(b)
	if s.deadline != nil {
		_ = s.full.SetWriteDeadline(*s.deadline)
	}
	if err != nil {
		return 0, err
	}
	return len(part), nil
}

// SetPriority implements [transport.Prioritizer].
func (s *Send) SetPriority(urgency int8, incremental bool) { s.full.SetPriority(urgency, incremental) }
