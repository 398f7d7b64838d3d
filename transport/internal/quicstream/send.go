package quicstream

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// A PlainSend is a sending half.
type PlainSend struct {
	owner Owner
	half  PlainWriter

	mu        sync.Mutex
	deadline  time.Time
	writing   bool // a Write is under way
	closed    bool // Close was called
	cancelled bool // CancelWrite was called

	// first, if set, sends what the stream begins with, and of p what it can
	// beside that. It is called once, with mu held, and does not block.
	first func(p []byte) (int, error)

	ctx    context.Context // made when asked for
	cancel context.CancelCauseFunc
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
	if !s.begin() {
		return 0, net.ErrClosed
	}
	n, err := s.writeFirst(p)
	if err == nil && (n < len(p) || len(p) == 0) {
		var more int
		more, err = s.half.Write(p[n:])
		n += more
	}
	return n, translate(s.owner, s.end(err))
}

// begin notes that a Write is under way.
func (s *PlainSend) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && !s.cancelled {
		return false
	}
	s.writing = true
	return true
}

// writeFirst sends the first bytes of a stream.
func (s *PlainSend) writeFirst(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.first == nil, len(p) == 0:
		return 0, nil
	case s.closed:
		return 0, quic.ErrStreamClosed
	case !s.deadline.IsZero() && !time.Now().Before(s.deadline):
		return 0, os.ErrDeadlineExceeded
	}
	return s.start(p)
}

func (s *PlainSend) start(p []byte) (int, error) {
	if s.first == nil {
		return 0, nil
	}
	first := s.first
	s.first = nil
	return first(p)
}

// end notes that the Write is over. If Close came in between, it ends the
// stream.
func (s *PlainSend) end(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
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
		return s.half.SetWriteDeadline(time.Unix(1, 0))
	}
	s.closed = true
	s.finish()
	return nil
}

// finish ends the stream, after its first bytes if nobody wrote. The library's
// error tells of a reset, which every Write tells as well.
func (s *PlainSend) finish() {
	_ = s.half.SetWriteDeadline(time.Time{})
	_, _ = s.start(nil)
	_ = s.half.Close()
}

// CancelWrite implements [transport.SendStream]. The first bytes precede the
// reset: without them the peer may not know what it is that was reset.
func (s *PlainSend) CancelWrite(code uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled = true
	_, _ = s.start(nil)
	s.half.CancelWrite(s.owner.StreamCode(code))
}

// SetWriteDeadline implements [transport.SendStream].
func (s *PlainSend) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	if s.closed {
		return nil
	}
	return s.half.SetWriteDeadline(t)
}

// Context implements [transport.SendStream].
func (s *PlainSend) Context() context.Context {
	ctx, fresh := s.context()
	if !fresh {
		return ctx
	}
	theirs := s.half.Context()
	if theirs.Err() != nil {
		s.over(context.Cause(theirs))
	} else {
		context.AfterFunc(theirs, func() { s.over(context.Cause(theirs)) })
	}
	return ctx
}

func (s *PlainSend) context() (_ context.Context, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx != nil {
		return s.ctx, false
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s.ctx, true
}

// over ends the context. The cause after Close is the plain one.
func (s *PlainSend) over(cause error) {
	if errors.Is(cause, quic.ErrStreamClosed) || errors.Is(cause, context.Canceled) {
		s.cancel(context.Canceled)
		return
	}
	s.cancel(translate(s.owner, cause))
}

// firstPart is how much of the first Write goes out beside the prefix. Both
// together fit into any packet.
const firstPart = 1000

// A Send is a sending half of quic-go.
type Send struct {
	PlainSend
	full Writer

	// uncovered says that the first bytes were taken without the peer's
	// credit. To promise them might then break the peer's limit, for which it
	// would end the connection.
	uncovered bool
}

// NewSend adapts w. The peer reads prefix, which may be nil, before anything
// else; it goes out with the first bytes, the end, or the reset.
func NewSend(o Owner, w Writer, prefix []byte) *Send {
	s := new(Send)
	s.init(o, w, prefix)
	return s
}

func (s *Send) init(o Owner, w Writer, prefix []byte) {
	s.PlainSend.init(o, w)
	s.full = w
	s.first = func(p []byte) (int, error) { return s.writePrefix(prefix, p) }
}

// writePrefix sends prefix and the beginning of p, with the peer's credit if
// there is some: then the prefix reaches the peer even if the stream is reset.
// Without credit, quic-go takes as little as this without blocking.
func (s *Send) writePrefix(prefix, p []byte) (int, error) {
	if len(prefix) == 0 && len(p) > firstPart {
		return 0, nil
	}
	part := p[:min(len(p), firstPart)]
	b := part
	if len(prefix) > 0 {
		b = append(append(make([]byte, 0, len(prefix)+len(part)), prefix...), part...)
	}
	if len(b) == 0 {
		return 0, nil
	}
	err := s.full.TryWriteAll(b)
	switch {
	case err == nil && len(prefix) > 0:
		s.full.SetReliableBoundary()
	case errors.Is(err, quic.ErrWouldBlock):
		s.uncovered = true
		_ = s.full.SetWriteDeadline(time.Time{})
		_, err = s.full.Write(b)
		_ = s.full.SetWriteDeadline(s.deadline)
	}
	if err != nil {
		return 0, err
	}
	return len(part), nil
}

// SetPriority implements [transport.Prioritizer].
func (s *Send) SetPriority(urgency int8, incremental bool) { s.full.SetPriority(urgency, incremental) }

// SetReliableBoundary implements [transport.ReliableResetter]. It does nothing
// where the peer gave no credit for the stream's first bytes.
func (s *Send) SetReliableBoundary() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.uncovered {
		s.full.SetReliableBoundary()
	}
}
