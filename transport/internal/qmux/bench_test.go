package qmux

import (
	"io"
	"sync"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// A loop is one end of a pipe that reuses a few buffers for its messages, so
// that a benchmark counts only the allocations of the connection.
type loop struct {
	in, out       chan []byte
	read, written chan []byte // buffers to use again
	current       []byte
	closed        chan struct{} // either end
	once          *sync.Once
}

func newLoops() (a, b *loop) {
	const under = 4
	var full, empty [2]chan []byte
	for i := range full {
		full[i], empty[i] = make(chan []byte, under), make(chan []byte, under)
		for range under {
			empty[i] <- make([]byte, 0, MaxMessage)
		}
	}
	closed, once := make(chan struct{}), new(sync.Once)
	a = &loop{in: full[0], read: empty[0], out: full[1], written: empty[1], closed: closed, once: once}
	b = &loop{in: full[1], read: empty[1], out: full[0], written: empty[0], closed: closed, once: once}
	return a, b
}

func (l *loop) ReadMessage() ([]byte, error) {
	if l.current != nil {
		l.read <- l.current
	}
	select {
	case l.current = <-l.in:
		return l.current, nil
	case <-l.closed:
		return nil, ErrCut
	}
}

func (l *loop) WriteMessage(p []byte) error {
	select {
	case b := <-l.written:
		l.out <- append(b[:0], p...) // never blocks: there are as many buffers
		return nil
	case <-l.closed:
		return io.ErrClosedPipe
	}
}

func (l *loop) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// ends are both of a connection in memory.
func ends(b *testing.B) (client, server transport.Conn) {
	b.Helper()
	x, y := newLoops()
	c, s := New(x, options(Version01, true, nil)), New(y, options(Version01, false, nil))
	for _, conn := range []*Conn{c, s} {
		if err := conn.Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() {
		_ = c.CloseWithError(0, "")
		_ = s.CloseWithError(0, "")
	})
	return c.Transport(), s.Transport()
}

// One operation sends 64 KiB on one stream.
func BenchmarkStream(b *testing.B) {
	client, server := ends(b)
	w, err := client.OpenUniStream(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		r, err := server.AcceptUniStream(b.Context())
		if err != nil {
			b.Error(err)
			return
		}
		buf := make([]byte, 32<<10)
		for err == nil {
			_, err = r.Read(buf)
		}
		if err != io.EOF {
			b.Error(err)
		}
	})
	part := make([]byte, 64<<10)
	b.SetBytes(int64(len(part)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(part); err != nil {
			b.Fatal(err)
		}
	}
	_ = w.Close()
	reader.Wait()
}

// One operation is a stream with a frame of media: opened, written, ended, and
// read at the other end. Many run at once.
func BenchmarkStreams(b *testing.B) {
	for name, size := range map[string]int{"100B": 100, "2KiB": 2 << 10, "20KiB": 20 << 10} {
		b.Run(name, func(b *testing.B) {
			client, server := ends(b)
			var reader sync.WaitGroup
			count := make(chan int, 1)
			reader.Go(func() {
				buf := make([]byte, 32<<10)
				all := -1
				for done := 0; done != all; done++ {
					if all < 0 {
						select {
						case all = <-count:
						default:
						}
						if done == all {
							return
						}
					}
					r, err := server.AcceptUniStream(b.Context())
					if err != nil {
						b.Error(err)
						return
					}
					got := 0
					for err == nil {
						var n int
						n, err = r.Read(buf)
						got += n
					}
					if err != io.EOF || got != size {
						b.Errorf("read %d: %v", got, err)
						return
					}
				}
			})
			part := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				w, err := client.OpenUniStream(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := w.Write(part); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
				n++
			}
			// One more wakes a reader that did not know how many there are.
			count <- n + 1
			w, err := client.OpenUniStream(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			_, _ = w.Write(part)
			_ = w.Close()
			reader.Wait()
		})
	}
}

// One operation is a request and its answer on a stream of their own.
func BenchmarkRequests(b *testing.B) {
	client, server := ends(b)
	go func() {
		buf := make([]byte, 1024)
		for {
			s, err := server.AcceptStream(b.Context())
			if err != nil {
				return
			}
			n := 0
			for err == nil {
				var more int
				more, err = s.Read(buf[n:])
				n += more
			}
			_, _ = s.Write(buf[:n])
			_ = s.Close()
		}
	}()
	buf := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		s, err := client.OpenStream(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		_, _ = s.Write(buf[:64])
		_ = s.Close()
		n := 0
		for err == nil {
			var more int
			more, err = s.Read(buf[n:])
			n += more
		}
		if err != io.EOF || n != 64 {
			b.Fatalf("read %d: %v", n, err)
		}
	}
}

// One operation is a frame taken from a message and put in another.
func BenchmarkFrame(b *testing.B) {
	message := (&frame{kind: frameStream, id: 1 << 20, offset: 1 << 30, data: make([]byte, 1000)}).append(nil)
	out := make([]byte, 0, len(message))
	b.ReportAllocs()
	for b.Loop() {
		p := parser{b: message}
		f, err := p.next(Version01)
		if err != nil {
			b.Fatal(err)
		}
		out = f.append(out[:0])
	}
}
