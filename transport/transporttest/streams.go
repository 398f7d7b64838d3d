package transporttest

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// streamCases check what streams are for: bytes arrive once, in order and complete,
// and the end of each half is told.
var streamCases = []connCase{
	{name: "a bidirectional stream carries bytes both ways", run: testBidi},
	{name: "a unidirectional stream carries bytes", run: testUni},
	{name: "megabytes come back from an echo", run: testEcho},
	{name: "megabytes cross in opposite directions", run: testCross},
	{name: "single bytes keep their order", run: testSmallWrites},
	{name: "Write keeps nothing of its buffer", run: testBufferReuse},
	{name: "the opener ends its half and goes on reading", run: testOpenerHalfClose},
	{name: "the acceptor ends its half and goes on reading", run: testAcceptorHalfClose},
	{name: "all is readable after the writer's end, then io.EOF", run: testReadAfterEnd},
	{name: "a stream that is ended without data is accepted", run: testEmptyStream},
	{name: "Close twice does nothing", run: testCloseTwice},
	{name: "Close ends the stream's context", run: testCloseEndsContext},
	{name: "hundreds of streams run at once in both directions", symmetric: true, run: testManyStreams},
}

// testBidi checks that either end may write first once the stream is known to both.
func testBidi(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	write(t, x, "from the opener")
	read(t, y, "from the opener")
	write(t, y, "from the acceptor")
	read(t, x, "from the acceptor")
}

// testUni checks a stream as a group uses it: written, ended, and read to its end.
func testUni(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	write(t, w, "one way")
	read(t, r, "one way")
	do(t, w.Close())
	wantEOF(t, r)
}

// testEcho sends more than all windows hold, so it blocks for ever unless reading
// gives credit back in both directions.
func testEcho(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	echo := async(t, func() (int64, error) {
		defer y.Close()
		// Without the methods by which io.Copy would leave the copying to the
		// stream.
		return io.Copy(struct{ io.Writer }{y}, struct{ io.Reader }{y})
	})
	data := pattern(plenty, 1)
	sent := async(t, func() (int, error) { return 0, send(x, data) })
	do(t, wantBytes(x, data))
	must[int](t)(sent())
	if n := must[int64](t)(echo()); n != plenty {
		t.Fatalf("echoed %d bytes, want %d", n, plenty)
	}
}

// testCross checks that a side that sends much still gets the credit for what it
// receives, which goes the same way as its data.
func testCross(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	there, back := pattern(plenty/2, 1), pattern(plenty/2, 2)
	sentX := async(t, func() (int, error) { return 0, send(x, there) })
	sentY := async(t, func() (int, error) { return 0, send(y, back) })
	readY := async(t, func() (int, error) { return 0, wantBytes(y, there) })
	do(t, wantBytes(x, back))
	must[int](t)(readY())
	must[int](t)(sentX())
	must[int](t)(sentY())
}

// testSmallWrites checks that writes too small for a packet of their own are joined
// without a loss.
func testSmallWrites(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	data := pattern(2000, 1)
	sent := async(t, func() (int, error) {
		for i := range data {
			if _, err := w.Write(data[i : i+1]); err != nil {
				return i, err
			}
		}
		return len(data), w.Close()
	})
	do(t, wantBytes(r, data))
	must[int](t)(sent())
}

// testBufferReuse overwrites the buffer after each Write, as callers may: what is
// sent or sent again later must not be read from it.
func testBufferReuse(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	const size, rounds = 40_000, 20
	var want []byte
	for i := range uint64(rounds) {
		want = append(want, pattern(size, i)...)
	}
	sent := async(t, func() (int, error) {
		buf := make([]byte, size)
		for i := range rounds {
			copy(buf, want[i*size:])
			if _, err := w.Write(buf); err != nil {
				return i, err
			}
			clear(buf)
		}
		return rounds, w.Close()
	})
	do(t, wantBytes(r, want))
	must[int](t)(sent())
}

// testOpenerHalfClose checks a request that is complete before its answer begins.
func testOpenerHalfClose(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	halfClose(t, x, y)
}

// testAcceptorHalfClose checks an answer that ends while the request still may be
// changed.
func testAcceptorHalfClose(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	halfClose(t, y, x)
}

// halfClose closes x's sending half and then uses the other direction.
func halfClose(t *testing.T, x, y transport.Stream) {
	t.Helper()
	do(t, x.Close())
	wantEOF(t, y)
	write(t, y, "still here")
	read(t, x, "still here")
	do(t, y.Close())
	wantEOF(t, x)
}

// testReadAfterEnd checks that the end hides nothing of what was written before it,
// and that it stays the end.
func testReadAfterEnd(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	write(t, w, "all of it")
	do(t, w.Close())
	read(t, r, "all of it")
	wantEOF(t, r)
	wantEOF(t, r)
}

// testEmptyStream checks that the peer learns of a stream by its end alone, although
// nothing else is sent on it.
func testEmptyStream(t *testing.T, a, b transport.Conn) {
	w := must[transport.SendStream](t)(a.OpenUniStream(within(t)))
	do(t, w.Close())
	r := must[transport.ReceiveStream](t)(b.AcceptUniStream(within(t)))
	hurryRead(t, r)
	wantEOF(t, r)
}

// testCloseTwice checks that a deferred Close after an explicit one is no error.
func testCloseTwice(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, w.Close())
	do(t, w.Close())
	wantEOF(t, r)
}

// testCloseEndsContext checks that what waits for the end of a stream, such as a
// goroutine that watches for a refusal, is not left behind by a Close.
func testCloseEndsContext(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	if err := w.Context().Err(); err != nil {
		t.Fatalf("the context of an open stream has ended: %v", err)
	}
	do(t, w.Close())
	wantCause(t, w.Context())
	wantEOF(t, r)
}

// testManyStreams runs many streams at once, in both directions and from many
// goroutines, which is where races and wake-ups that get lost show. Where a limit is
// lower, openers wait for it meanwhile.
func testManyStreams(t *testing.T, a, b transport.Conn) {
	const streams = 200
	var wg sync.WaitGroup
	errs := make(chan error, 4*streams+2)
	for _, d := range [][2]transport.Conn{{a, b}, {b, a}} {
		// The channel has room for every error, so no goroutine is left that
		// nobody reads from.
		wg.Go(func() { errs <- echoStreams(t, &wg, errs, d[1], streams) })
		for i := range uint64(streams) {
			wg.Go(func() { errs <- echoOnce(t, d[0], pattern(3000, i)) })
		}
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

// echoStreams accepts n streams and echoes each.
func echoStreams(t *testing.T, wg *sync.WaitGroup, errs chan<- error, c transport.Conn, n int) error {
	ctx := within(t)
	for i := range n {
		s, err := c.AcceptStream(ctx)
		if err != nil {
			return fmt.Errorf("accept of stream %d: %w", i, err)
		}
		// Each stream is echoed by itself, so one that is slow holds up no
		// other.
		wg.Go(func() { errs <- echo(s) })
	}
	return nil
}

// echo sends back what it reads, with deadlines for both directions.
func echo(s transport.Stream) error {
	if err := bound(s); err != nil {
		return err
	}
	if _, err := io.Copy(s, s); err != nil {
		return fmt.Errorf("echo: %w", err)
	}
	return s.Close()
}

// echoOnce sends data on a new stream and compares what comes back.
func echoOnce(t *testing.T, c transport.Conn, data []byte) error {
	s, err := c.OpenStream(within(t))
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := errors.Join(bound(s), send(s, data)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return wantBytes(s, data)
}
