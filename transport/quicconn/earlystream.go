package quicconn

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// An earlyStream is a stream that was opened as part of a [flight]. Until the
// server has accepted the early data it records what is written and which
// calls are made, so that all of that can be repeated on a new QUIC stream.
type earlyStream struct {
	open    opener
	settled chan struct{} // closed when half is final, or the connection has ended
	ctx     context.Context
	cancel  context.CancelCauseFunc

	mu    sync.Mutex
	half  halves // the QUIC stream that is used now
	phase phase
	sent  []byte         // what was written, until the phase is lasting
	asked []func(halves) // other calls to repeat, until the phase is lasting
}

// A phase says what the server has done with the early data of a stream.
type phase uint8

const (
	flying    phase = iota // the server has not answered: half may be replaced
	repeating              // rejected: half is void, and its replacement is being opened
	lasting                // half is final
)

var _ quicstream.ReadWriter = (*earlyStream)(nil)

// settle makes h the final half. If it replaces a rejected one, the recorded
// calls are made on it.
func (s *earlyStream) settle(h halves) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.asked {
		if s.phase == repeating {
			f(h)
		}
	}
	s.half, s.phase = h, lasting
	s.sent, s.asked = nil, nil
	theirs := h.Context()
	context.AfterFunc(theirs, func() { s.cancel(context.Cause(theirs)) })
	close(s.settled)
}

// lose ends the stream because the connection has ended with err. half stays:
// its methods fail with the connection's error.
func (s *earlyStream) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = lasting
	s.cancel(err)
	close(s.settled)
}

// repeat opens a new QUIC stream, writes the recorded bytes to it, and makes
// it the final half.
func (s *earlyStream) repeat(ctx context.Context) error {
	s.mu.Lock()
	s.phase = repeating
	sent := s.sent
	s.mu.Unlock()
	h, err := s.open(ctx)
	if err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	_ = h.SetWriteDeadline(deadline)
	_, err = h.Write(sent)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_ = h.SetWriteDeadline(time.Time{})
	s.settle(h) // with the peer's reset, if there was one // even if the peer has reset it: later calls report that
	return nil
}

// now returns the current half, and whether it may still be replaced.
func (s *earlyStream) now() (h halves, early bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.half, s.phase != lasting
}

// final waits until the half is final, and returns it.
func (s *earlyStream) final() halves {
	<-s.settled
	h, _ := s.now()
	return h
}

// ask calls f with the current half and records it, so that it is called again
// with the half that replaces it. While the half is being replaced, f is
// called with the new one alone.
func (s *earlyStream) ask(f func(halves)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != lasting {
		s.asked = append(s.asked, f)
	}
	if s.phase != repeating {
		f(s.half)
	}
}

// keep records p before it is written early. It reports false when p must not
// be written early: the phase has passed, or the limit of early data is
// reached.
func (s *earlyStream) keep(p []byte) (h halves, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != flying || len(s.sent)+len(p) > maxEarly {
		return halves{}, false
	}
	s.sent = append(s.sent, p...)
	return s.half, true
}

// unkeep removes the last n recorded bytes, which were not written.
func (s *earlyStream) unkeep(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == flying {
		s.sent = s.sent[:len(s.sent)-n]
	}
}

// Write implements [quicstream.Writer]. A write that the rejection of the
// early data interrupts counts as done: repeat sends the recorded bytes.
func (s *earlyStream) Write(p []byte) (int, error) {
	h, early := s.now()
	if !early {
		return h.Write(p)
	}
	if h, early = s.keep(p); !early {
		return s.final().Write(p)
	}
	n, err := h.Write(p)
	if !errors.Is(err, quic.Err0RTTRejected) {
		s.unkeep(len(p) - n)
		return n, err
	}
	if s.final() == h {
		return n, err
	}
	return len(p), nil // repeat has sent the recorded bytes
}

// TryWriteAll implements [quicstream.Writer].
func (s *earlyStream) TryWriteAll(p []byte) error {
	h, early := s.now()
	if !early {
		return h.TryWriteAll(p)
	}
	if h, early = s.keep(p); !early {
		return quic.ErrWouldBlock
	}
	err := h.TryWriteAll(p)
	switch {
	case errors.Is(err, quic.Err0RTTRejected):
		return nil // it goes with what was kept // repeat sends the recorded bytes
	case err != nil:
		s.unkeep(len(p))
	}
	return err
}

// Close implements [quicstream.Writer].
func (s *earlyStream) Close() error {
	s.ask(func(h halves) { _ = h.Close() })
	return nil
}

// CancelWrite implements [quicstream.Writer].
func (s *earlyStream) CancelWrite(code quic.StreamErrorCode) {
	s.ask(func(h halves) { h.CancelWrite(code) })
}

// SetWriteDeadline implements [quicstream.Writer].
func (s *earlyStream) SetWriteDeadline(t time.Time) error {
	s.ask(func(h halves) { _ = h.SetWriteDeadline(t) })
	return nil
}

// SetPriority implements [quicstream.Writer].
func (s *earlyStream) SetPriority(urgency int8, incremental bool) {
	s.ask(func(h halves) { h.SetPriority(urgency, incremental) })
}

// SetReliableBoundary implements [quicstream.Writer].
func (s *earlyStream) SetReliableBoundary() { s.ask(func(h halves) { h.SetReliableBoundary() }) }

// Context implements [quicstream.Writer].
func (s *earlyStream) Context() context.Context { return s.ctx }

// Read implements [quicstream.Reader].
func (s *earlyStream) Read(p []byte) (int, error) {
	h, early := s.now()
	n, err := h.reader.Read(p)
	if !early || !errors.Is(err, quic.Err0RTTRejected) {
		return n, err
	}
	return s.final().reader.Read(p)
}

// CancelRead implements [quicstream.Reader].
func (s *earlyStream) CancelRead(code quic.StreamErrorCode) {
	s.ask(func(h halves) { h.reader.CancelRead(code) })
}

// SetReadDeadline implements [quicstream.Reader].
func (s *earlyStream) SetReadDeadline(t time.Time) error {
	s.ask(func(h halves) { _ = h.reader.SetReadDeadline(t) })
	return nil
}
