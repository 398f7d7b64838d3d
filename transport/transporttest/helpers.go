package transporttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
)

const (
	// patience is how long to wait for something that must happen, also on a
	// slow machine. It is far longer than anything takes that works.
	patience = 10 * time.Second

	// limit bounds calls by contexts and deadlines, so that a test ends. It is
	// longer than patience, so that a call which something else should have
	// released is detected by the goroutine that waits for it, in virtual time
	// too.
	limit = 3 * patience

	// moment is how long to watch for something that must not happen. If it is
	// too short a test may miss a failure, but never fails wrongly.
	moment = 50 * time.Millisecond

	// plenty is more bytes than any window of a Small connection holds.
	plenty = 4 << 20
)

// Codes of streams and closes that moq-lite uses, and others at the limits of
// the encodings that transports use.
var (
	// Larger ones cannot be carried by WebTransport.
	streamCodes = []uint64{0, 1, 0x33, 0x3a, 0x40, 0x5a3f, 1<<32 - 1}
	closeCodes  = []uint64{0, 2, 0x10, 0x40, 0x5a3f, 1<<32 - 1}
)

// within returns a context for calls that must return, so that a test ends even if
// they do not.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// ended returns a context that was cancelled.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// async starts f in a goroutine and returns a function that waits for its
// result.
func async[T any](t *testing.T, f func() (T, error)) (wait func() (T, error)) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	return func() (T, error) {
		t.Helper()
		select {
		case r := <-done:
			return r.v, r.err
		case <-time.After(patience):
			t.Fatal("the call did not return")
			panic("unreachable")
		}
	}
}

// blocked is like async, but fails the test if f returns within a moment.
func blocked[T any](t *testing.T, f func() (T, error)) (wait func() (T, error)) {
	t.Helper()
	done := make(chan struct{})
	wait = async(t, func() (T, error) {
		defer close(done)
		return f()
	})
	select {
	case <-done:
		v, err := wait()
		t.Fatalf("returned %v, %v: it should block", v, err)
	case <-time.After(moment):
	}
	return wait
}

// do fails the test if err is not nil.
func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must returns a function that returns the value of a call, and fails the test
// on an error.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		do(t, err)
		return v
	}
}

// uni opens a unidirectional stream from a to b and sends one byte on it,
// which b has read.
func uni(t *testing.T, a, b transport.Conn) (transport.SendStream, transport.ReceiveStream) {
	t.Helper()
	w := must[transport.SendStream](t)(a.OpenUniStream(within(t)))
	hurryWrite(t, w)
	write(t, w, "!")
	r := must[transport.ReceiveStream](t)(b.AcceptUniStream(within(t)))
	hurryRead(t, r)
	read(t, r, "!")
	return w, r
}

// bidi opens a bidirectional stream from a to b and sends one byte on it,
// which b has read.
func bidi(t *testing.T, a, b transport.Conn) (x, y transport.Stream) {
	t.Helper()
	x = must[transport.Stream](t)(a.OpenStream(within(t)))
	hurry(t, x)
	write(t, x, "!")
	y = must[transport.Stream](t)(b.AcceptStream(within(t)))
	hurry(t, y)
	read(t, y, "!")
	return x, y
}

// hurry sets deadlines for both halves, so that a blocked call fails.
func hurry(t *testing.T, s transport.Stream) {
	t.Helper()
	do(t, bound(s))
}

// bound is hurry for goroutines that must not end the test.
func bound(s transport.Stream) error {
	end := time.Now().Add(limit)
	return errors.Join(s.SetReadDeadline(end), s.SetWriteDeadline(end))
}

// hurryRead is hurry for a receiving half.
func hurryRead(t *testing.T, r transport.ReceiveStream) {
	t.Helper()
	do(t, r.SetReadDeadline(time.Now().Add(limit)))
}

// hurryWrite is hurry for a sending half.
func hurryWrite(t *testing.T, w transport.SendStream) {
	t.Helper()
	do(t, w.SetWriteDeadline(time.Now().Add(limit)))
}

// write fails the test unless all of s is taken.
func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("Write(%q) = %d, %v", s, n, err)
	}
}

// read fails the test unless the next bytes are s, in however many pieces.
func read(t *testing.T, r io.Reader, s string) {
	t.Helper()
	got := make([]byte, len(s))
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatalf("Read: %v, want %q", err, s)
	}
	if string(got) != s {
		t.Fatalf("Read %q, want %q", got, s)
	}
}

// wantEOF fails the test unless the stream has ended here. The error has to be io.EOF
// itself, which is what io.Reader asks for and what callers compare with ==.
func wantEOF(t *testing.T, r io.Reader) {
	t.Helper()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("Read = %d, %v, want io.EOF itself", n, err)
	}
}

// readError reads until an error and returns it.
func readError(r io.Reader) error {
	b := make([]byte, 4096)
	for {
		if _, err := r.Read(b); err != nil {
			return err
		}
	}
}

// writeError writes until an error and returns it. After a refusal by the peer
// that takes a while.
func writeError(w io.Writer) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := w.Write([]byte("x")); err != nil {
			return err
		}
	}
	return errors.New("Write goes on without an error")
}

// wantIs fails the test unless err matches target.
func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error is %v, want one that matches %v", err, target)
	}
}

// wantStreamError fails the test unless err is that of a stream that was reset or
// refused with a code, by the peer if remote is set.
func wantStreamError(t *testing.T, err error, code uint64, remote bool) {
	t.Helper()
	e, ok := errors.AsType[*transport.StreamError](err)
	if !ok {
		t.Fatalf("error is %v (%T), want a *transport.StreamError", err, err)
	}
	if e.Code != code || e.Remote != remote {
		t.Fatalf("error is code %#x, remote %t; want code %#x, remote %t", e.Code, e.Remote, code, remote)
	}
}

// wantConnError fails the test unless err is that of a connection that was closed
// with a code and a reason, by the peer if remote is set. It must have no cause
// besides: a close is no failure.
func wantConnError(t *testing.T, err error, code uint64, reason string, remote bool) {
	t.Helper()
	e, ok := errors.AsType[*transport.ConnError](err)
	if !ok {
		t.Fatalf("error is %v (%T), want a *transport.ConnError", err, err)
	}
	if want := (transport.ConnError{Code: code, Reason: reason, Remote: remote}); *e != want {
		t.Fatalf("error is %+v, want %+v", *e, want)
	}
}

// wantCause waits until the context ends and returns its cause.
func wantCause(t *testing.T, ctx context.Context) error {
	t.Helper()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(patience):
		t.Fatal("the context does not end")
		return nil
	}
}

// pattern returns n bytes that differ from themselves when shifted or
// repeated.
func pattern(n int, seed uint64) []byte {
	var key [32]byte
	// Different seeds give different data, so bytes of another stream are
	// noticed.
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// wantBytes reads to the end and compares.
func wantBytes(r io.Reader, want []byte) error {
	got, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", len(got), len(want), err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes with digest %.8x, want %d with %.8x", len(got), sha256.Sum256(got), len(want), sha256.Sum256(want))
	}
	return nil
}

// send writes b and closes the stream.
func send(w transport.SendStream, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Close()
}
