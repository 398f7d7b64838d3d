package quicconn

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// An earlyStream is a stream that begins in a [flight]: it keeps what is done
// with it until the server has taken it, or it is done with another one.
type earlyStream struct {
	open    opener
	settled chan struct{} // closed when half is the one that lasts, or lost
	ctx     context.Context
	cancel  context.CancelCauseFunc

	mu    sync.Mutex
	half  halves
	phase phase
	sent  []byte
	asked []func(halves)
}

// A phase is how far a stream has come.
type phase uint8

const (
	flying    phase = iota // half may not last
	repeating              // half is over, and another one being made
	lasting
)

var _ quicstream.ReadWriter = (*earlyStream)(nil)

// settle has h last.
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

// lose leaves half as it is: the connection has ended.
func (s *earlyStream) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = lasting
	s.cancel(err)
	close(s.settled)
}

// repeat does all that was done with another stream.
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
	s.settle(h) // with the peer's reset, if there was one
	return nil
}

// now is the half to use, and whether it may not last.
func (s *earlyStream) now() (h halves, early bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.half, s.phase != lasting
}

// final waits for the half that lasts.
func (s *earlyStream) final() halves {
	<-s.settled
	h, _ := s.now()
	return h
}

// ask does f with the half, and with the one that lasts.
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

// keep keeps what is about to be sent early. It reports false when that is not
// for now.
func (s *earlyStream) keep(p []byte) (h halves, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != flying || len(s.sent)+len(p) > maxEarly {
		return halves{}, false
	}
	s.sent = append(s.sent, p...)
	return s.half, true
}

// unkeep takes back the last n bytes, which were not sent.
func (s *earlyStream) unkeep(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == flying {
		s.sent = s.sent[:len(s.sent)-n]
	}
}

// Write implements [quicstream.Writer].
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
	return len(p), nil // with what was kept
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
		return nil // it goes with what was kept
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
