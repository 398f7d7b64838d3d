package transporttest

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

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

func testBidi(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	write(t, x, "from the opener")
	read(t, y, "from the opener")
	write(t, y, "from the acceptor")
	read(t, x, "from the acceptor")
}

func testUni(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	write(t, w, "one way")
	read(t, r, "one way")
	do(t, w.Close())
	wantEOF(t, r)
}

func testEcho(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	echo := async(t, func() (int64, error) {
		defer y.Close()
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

func testOpenerHalfClose(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	halfClose(t, x, y)
}

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

func testReadAfterEnd(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	write(t, w, "all of it")
	do(t, w.Close())
	read(t, r, "all of it")
	wantEOF(t, r)
	wantEOF(t, r)
}

func testEmptyStream(t *testing.T, a, b transport.Conn) {
	w := must[transport.SendStream](t)(a.OpenUniStream(within(t)))
	do(t, w.Close())
	r := must[transport.ReceiveStream](t)(b.AcceptUniStream(within(t)))
	hurryRead(t, r)
	wantEOF(t, r)
}

func testCloseTwice(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, w.Close())
	do(t, w.Close())
	wantEOF(t, r)
}

func testCloseEndsContext(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	if err := w.Context().Err(); err != nil {
		t.Fatalf("the context of an open stream has ended: %v", err)
	}
	do(t, w.Close())
	wantCause(t, w.Context())
	wantEOF(t, r)
}

func testManyStreams(t *testing.T, a, b transport.Conn) {
	const streams = 200
	var wg sync.WaitGroup
	errs := make(chan error, 4*streams+2)
	for _, d := range [][2]transport.Conn{{a, b}, {b, a}} {
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
