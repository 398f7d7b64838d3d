package quicconn

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// A scriptedWriter is a sending half that records what is written, after calling
// before.
type scriptedWriter struct {
	quicstream.Writer
	ctx     context.Context
	before  func() error
	written string
}

func (w *scriptedWriter) write(p []byte) (int, error) {
	if w.before != nil {
		if err := w.before(); err != nil {
			return 0, err
		}
	}
	w.written += string(p)
	return len(p), nil
}

func (w *scriptedWriter) Write(p []byte) (int, error)      { return w.write(p) }
func (w *scriptedWriter) SetWriteDeadline(time.Time) error { return nil }
func (w *scriptedWriter) Context() context.Context         { return w.ctx }

func (w *scriptedWriter) TryWriteAll(p []byte) error {
	_, err := w.write(p)
	return err
}

// openScripted opens an early stream on first, which resend replaces by second.
func openScripted(t *testing.T, f *earlyData, first, second *scriptedWriter) *earlyStream {
	first.ctx, second.ctx = t.Context(), t.Context()
	opened := []*scriptedWriter{first, second}
	s, err := f.openStream(t.Context(), func(context.Context) (halves, error) {
		h := halves{Writer: opened[0]}
		opened = opened[1:]
		return h, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEarlyStreamOpenedAfterHandshake opens a stream when the handshake is complete,
// before the early data is settled: it is not opened again.
func TestEarlyStreamOpenedAfterHandshake(t *testing.T) {
	complete := make(chan struct{})
	close(complete)
	f := &earlyData{complete: complete}
	s := openScripted(t, f, new(scriptedWriter), new(scriptedWriter))
	if _, early := s.current(); early || len(f.finish()) != 0 {
		t.Error("a stream of a complete connection counts as early")
	}
}

// TestEarlyWriteFailsDuringResend: a write of early data fails while resend sends
// the bytes on the new QUIC stream. They must not be written again.
func TestEarlyWriteFailsDuringResend(t *testing.T) {
	for name, write := range map[string]func(*earlyStream) error{
		"Write":       func(s *earlyStream) error { _, err := s.Write([]byte("frame")); return err },
		"TryWriteAll": func(s *earlyStream) error { return s.TryWriteAll([]byte("frame")) },
	} {
		t.Run(name, func(t *testing.T) {
			var s *earlyStream
			first, second := new(scriptedWriter), new(scriptedWriter)
			first.before = func() error {
				if err := s.resend(t.Context()); err != nil {
					t.Error(err)
				}
				return quic.ErrWouldBlock
			}
			s = openScripted(t, new(earlyData), first, second)
			if err := write(s); err != nil || second.written != "frame" {
				t.Errorf("%v, and %q was sent", err, second.written)
			}
		})
	}
}

// TestResendPastDeadline: a repetition that the deadline cuts short is no success,
// even if its context has not ended yet.
func TestResendPastDeadline(t *testing.T) {
	second := &scriptedWriter{before: func() error { return os.ErrDeadlineExceeded }}
	s := openScripted(t, new(earlyData), new(scriptedWriter), second)
	if err := s.TryWriteAll([]byte("frame")); err != nil {
		t.Fatal(err)
	}
	if err := s.resend(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("resend returned %v", err)
	}
}
