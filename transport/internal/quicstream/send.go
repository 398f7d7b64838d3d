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

// A PlainSend is a sending half without optional abilities. There is one for
// each group that is sent, so its size matters: what few streams need is kept
// elsewhere.
type PlainSend struct {
	owner       Owner
	half        PlainWriter
	nonblocking *Send // the Send that embeds this, or nil if half is only a PlainWriter

	mu              sync.Mutex
	deadline        *time.Time // nil for none
	life            transport.Life
	writing         bool // a Write is running
	closed          bool // Close was called
	cancelled       bool // CancelWrite was called
	hasHalfDeadline bool // a deadline was set on half
}

// NewPlainSend adapts w.
func NewPlainSend(o Owner, w PlainWriter) *PlainSend {
	s := new(PlainSend)
	s.initPlain(o, w)
	return s
}

func (s *PlainSend) initPlain(o Owner, w PlainWriter) { s.owner, s.half = o, w }

// Write implements [transport.SendStream].
func (s *PlainSend) Write(p []byte) (int, error) {
	n, err := s.beginWrite(p)
	waited := err == nil && (n < len(p) || len(p) == 0)
	if waited {
		var more int
		more, err = s.half.Write(p[n:])
		n += more
	}
	return n, translate(s.owner, s.endWrite(err, waited))
}

// beginWrite marks the start of a Write, and does what is possible without
// blocking.
func (s *PlainSend) beginWrite(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = true
	return s.writeQuickly(p)
}

// writeQuickly writes as much of p as is possible without blocking. The lock
// is held.
func (s *PlainSend) writeQuickly(p []byte) (int, error) {
	switch {
	case s.closed && !s.cancelled:
		return 0, quic.ErrStreamClosed
	case s.nonblocking == nil, len(p) == 0, s.closed:
		return 0, nil
	case s.deadline != nil && !time.Now().Before(*s.deadline):
		return 0, os.ErrDeadlineExceeded
	}
	return s.nonblocking.tryWrite(p)
}

// flushPrefix writes the prefix if nothing was written yet, before the end or
// reset of the stream.
func (s *PlainSend) flushPrefix() {
	if s.nonblocking != nil {
		_, _ = s.nonblocking.tryWrite(nil)
	}
}

// endWrite marks the end of a Write. If Close was called meanwhile, it ends the
// stream.
func (s *PlainSend) endWrite(err error, waited bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	if waited && s.nonblocking != nil {
		s.nonblocking.resetBursts()
	}
	if !s.closed {
		return err
	}
	s.closeHalf()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return quic.ErrStreamClosed
	}
	return err
}

// Close implements [transport.SendStream]. quic-go's Close must not be called
// during a Write, and does not end one. So Close ends a running Write by a
// deadline in the past, and the Write closes the stream when it returns.
func (s *PlainSend) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed, s.cancelled:
		return nil
	case s.writing:
		s.closed = true
		return s.setHalfDeadline(time.Unix(1, 0))
	}
	s.closed = true
	s.closeHalf()
	return nil
}

// closeHalf closes the library's half. Its error is ignored: it means that the
// stream was reset, which every Write reports as well.
func (s *PlainSend) closeHalf() {
	if s.owner.Closing() {
		return
	}
	if s.hasHalfDeadline {
		_ = s.half.SetWriteDeadline(time.Time{})
	}
	s.flushPrefix()
	_ = s.half.Close()
}

// setHalfDeadline sets the deadline of the library's half. The lock is held.
func (s *PlainSend) setHalfDeadline(t time.Time) error {
	s.hasHalfDeadline = true
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
	s.flushPrefix()
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
	return s.setHalfDeadline(t)
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

// endLife ends the context because the library's has ended with cause.
func (s *PlainSend) endLife(cause error) {
	cause = s.translateCause(cause)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life.End(cause)
}

// translateCause translates the cause with which the library's context has ended.
// After Close it is context.Canceled.
func (s *PlainSend) translateCause(cause error) error {
	if errors.Is(cause, quic.ErrStreamClosed) || errors.Is(cause, context.Canceled) {
		return context.Canceled
	}
	return translate(s.owner, cause)
}

const (
	// maxTry is how many bytes are passed to quic-go by TryWriteAll before a
	// pause. They fit into any packet: if they did not, quic-go would copy
	// them again for each packet.
	maxTry = 1100

	// After tryPause, what TryWriteAll has taken has been sent, as a rule,
	// and it may be used again: quickRows times until a Write blocks until
	// everything is sent. A Write that blocks needs a goroutine, so it is
	// rare.
	tryPause  = time.Millisecond
	maxBursts = 128
)

// maxPrefix is the maximum length of a prefix, in bytes.
const maxPrefix = 16

// firstBuffers are buffers for the prefix and the first bytes after it.
var firstBuffers = sync.Pool{New: func() any { return new([maxPrefix + maxTry]byte) }}

// A Send is a sending half of quic-go, with optional abilities.
type Send struct {
	PlainSend
	full   Writer
	prefix string // empty once it is sent

	burst   uint16        // bytes passed to TryWriteAll since the last pause,
	bursts  uint8         // pauses since the last Write that blocked,
	lastTry time.Duration // and when TryWriteAll was used last
}

// NewSend adapts w. The peer reads prefix, which may be empty, first; it is
// sent together with the first bytes, the end, or the reset.
func NewSend(o Owner, w Writer, prefix string) *Send {
	s := new(Send)
	s.initSend(o, w, prefix)
	return s
}

func (s *Send) initSend(o Owner, w Writer, prefix string) {
	s.PlainSend.initPlain(o, w)
	s.full, s.prefix, s.nonblocking = w, prefix, s
}

// TryWrite implements [transport.TryWriter].
func (s *Send) TryWrite(p []byte) (int, error) {
	s.mu.Lock()
	n, err := s.writeQuickly(p)
	s.mu.Unlock()
	return n, translate(s.owner, err)
}

// resetBursts is called when a Write has blocked: everything before its last
// bytes has been sent.
func (s *Send) resetBursts() { s.burst, s.bursts = 0, 0 }

// epoch is the zero of Send.lastTry.
var epoch = time.Now()

// reserveTry tells whether n more bytes may be passed to TryWriteAll, and counts
// them.
func (s *Send) reserveTry(n int) bool {
	if n > maxTry {
		return false
	}
	now := time.Since(epoch)
	if int(s.burst)+n > maxTry {
		if s.bursts == maxBursts || now-s.lastTry < tryPause {
			return false
		}
		s.burst = 0
		s.bursts++
	}
	s.lastTry = now
	s.burst += uint16(n)
	return true
}

// tryWrite writes without blocking, if the peer's credit allows it: p if it is
// small, and before that the prefix with the first bytes of p. With an empty p
// it writes the prefix alone. The lock is held.
func (s *Send) tryWrite(p []byte) (int, error) {
	if len(s.prefix) > 0 {
		return s.writePrefix(p)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !s.reserveTry(len(p)) {
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

// writePrefix writes the prefix and the beginning of p. If the peer has
// granted credit for it, the prefix arrives even when the stream is reset,
// since nothing else says which session the stream belongs to. If not, it uses
// Write, which does not block for so few bytes: quic-go keeps them.
func (s *Send) writePrefix(p []byte) (int, error) {
	part := p[:min(len(p), maxTry)]
	first := firstBuffers.Get().(*[maxPrefix + maxTry]byte)
	defer firstBuffers.Put(first)
	b := append(append(first[:0], s.prefix...), part...)
	s.prefix = ""
	switch err := s.full.TryWriteAll(b); {
	case err == nil:
		s.burst, s.lastTry = uint16(len(part)), time.Since(epoch)
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
