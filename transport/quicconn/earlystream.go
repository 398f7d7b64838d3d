package quicconn

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// An earlyStream is a stream that was opened as part of [earlyData]. Until the
// server has accepted the early data it records what is written and which
// calls are made, so that all of that can be repeated on a new QUIC stream.
type earlyStream struct {
	open    opener
	settled chan struct{}   // closed when half is final, or the connection has ended
	ctx     context.Context // ends with that of the final half, or the connection
	cancel  context.CancelCauseFunc

	mu    sync.Mutex
	half  halves // the QUIC stream that is used now
	phase earlyPhase
	sent  []byte         // what was written early, to be sent again; nil once half is final
	calls []func(halves) // the other calls, to be made again; nil once half is final
}

// An earlyPhase says what the server has done with the early data of a stream.
type earlyPhase uint8

const (
	earlyPending   earlyPhase = iota // the server has not answered: half may be replaced
	earlyResending                   // rejected: half is void, and its replacement is being opened
	earlyFinal                       // half is final
)

var _ quicstream.ReadWriter = (*earlyStream)(nil)

// setFinal makes h the final half. If it replaces a rejected one, the recorded
// calls are made on it.
func (s *earlyStream) setFinal(h halves) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.calls {
		if s.phase == earlyResending {
			f(h)
		}
	}
	s.half, s.phase = h, earlyFinal
	s.sent, s.calls = nil, nil
	theirs := h.Context()
	context.AfterFunc(theirs, func() { s.cancel(context.Cause(theirs)) })
	close(s.settled)
}

// abort ends the stream because the connection has ended with err. half stays:
// its methods fail with the connection's error.
func (s *earlyStream) abort(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = earlyFinal
	s.cancel(err)
	close(s.settled)
}

// resend opens a new QUIC stream, writes the recorded bytes to it, and makes
// it the final half.
func (s *earlyStream) resend(ctx context.Context) error {
	s.mu.Lock()
	s.phase = earlyResending
	sent := s.sent
	s.mu.Unlock()
	h, err := s.open(ctx)
	if err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	_ = h.SetWriteDeadline(deadline)
	_, err = h.Write(sent)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded): // just before ctx ends
		return context.DeadlineExceeded
	}
	_ = h.SetWriteDeadline(time.Time{})
	s.setFinal(h) // even if the peer has reset it: later calls report that
	return nil
}

// current returns the half that is used now, and whether resend may still replace it.
func (s *earlyStream) current() (h halves, early bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.half, s.phase != earlyFinal
}

// awaitFinal waits until the half is final, and returns it.
func (s *earlyStream) awaitFinal() halves {
	<-s.settled
	h, _ := s.current()
	return h
}

// record calls f with the current half and records it, so that it is called again
// with the half that replaces it. While the half is being replaced, f is
// called with the new one alone.
func (s *earlyStream) record(f func(halves)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != earlyFinal {
		s.calls = append(s.calls, f)
	}
	if s.phase != earlyResending {
		f(s.half)
	}
}

// recordWrite records p before it is written early. It reports false when p
// must not be written early: the phase has passed, or the limit of early data
// is reached.
func (s *earlyStream) recordWrite(p []byte) (h halves, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != earlyPending || len(s.sent)+len(p) > maxEarly {
		return halves{}, false
	}
	s.sent = append(s.sent, p...)
	return s.half, true
}

// unrecordWrite removes the last n recorded bytes, which were not written to h. It
// reports whether it comes too late: the server has rejected the early data, and
// resend sends these bytes too.
func (s *earlyStream) unrecordWrite(h halves, n int) (resent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == earlyPending {
		s.sent = s.sent[:len(s.sent)-n]
	}
	return s.phase == earlyResending || s.half != h
}

// Write implements [quicstream.Writer]. A write with which the stream would exceed
// maxEarly waits until the handshake is complete. One that the rejection of the
// early data interrupts counts as done: resend sends the recorded bytes.
func (s *earlyStream) Write(p []byte) (int, error) {
	h, early := s.current()
	if !early {
		return h.Write(p)
	}
	if h, early = s.recordWrite(p); !early {
		return s.awaitFinal().Write(p)
	}
	n, err := h.Write(p)
	if !errors.Is(err, quic.Err0RTTRejected) {
		if err != nil && s.unrecordWrite(h, len(p)-n) {
			return len(p), nil
		}
		return n, err
	}
	if s.awaitFinal() == h {
		return n, err
	}
	return len(p), nil // resend has sent the recorded bytes
}

// TryWriteAll implements [quicstream.Writer].
func (s *earlyStream) TryWriteAll(p []byte) error {
	h, early := s.current()
	if !early {
		return h.TryWriteAll(p)
	}
	if h, early = s.recordWrite(p); !early {
		return quic.ErrWouldBlock
	}
	err := h.TryWriteAll(p)
	switch {
	case errors.Is(err, quic.Err0RTTRejected):
		return nil // resend sends the recorded bytes
	case err != nil && s.unrecordWrite(h, len(p)):
		return nil
	}
	return err
}

// Close implements [quicstream.Writer].
func (s *earlyStream) Close() error {
	s.record(func(h halves) { _ = h.Close() })
	return nil
}

// CancelWrite implements [quicstream.Writer].
func (s *earlyStream) CancelWrite(code quic.StreamErrorCode) {
	s.record(func(h halves) { h.CancelWrite(code) })
}

// SetWriteDeadline implements [quicstream.Writer].
func (s *earlyStream) SetWriteDeadline(t time.Time) error {
	s.record(func(h halves) { _ = h.SetWriteDeadline(t) })
	return nil
}

// SetPriority implements [quicstream.Writer].
func (s *earlyStream) SetPriority(urgency int8, incremental bool) {
	s.record(func(h halves) { h.SetPriority(urgency, incremental) })
}

// SetReliableBoundary implements [quicstream.Writer].
func (s *earlyStream) SetReliableBoundary() { s.record(func(h halves) { h.SetReliableBoundary() }) }

// Context implements [quicstream.Writer].
func (s *earlyStream) Context() context.Context { return s.ctx }

// Read implements [quicstream.Reader].
func (s *earlyStream) Read(p []byte) (int, error) {
	h, early := s.current()
	n, err := h.reader.Read(p)
	if !early || !errors.Is(err, quic.Err0RTTRejected) {
		return n, err
	}
	return s.awaitFinal().reader.Read(p)
}

// CancelRead implements [quicstream.Reader].
func (s *earlyStream) CancelRead(code quic.StreamErrorCode) {
	s.record(func(h halves) { h.reader.CancelRead(code) })
}

// SetReadDeadline implements [quicstream.Reader].
func (s *earlyStream) SetReadDeadline(t time.Time) error {
	s.record(func(h halves) { _ = h.reader.SetReadDeadline(t) })
	return nil
}
