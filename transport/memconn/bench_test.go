package memconn_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/moqlite/moqlite/transport/memconn"
)

func BenchmarkStream(b *testing.B) {
	for _, size := range []int{100, 1 << 10, 32 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) { benchmarkStream(b, size) })
	}
}

func benchmarkStream(b *testing.B, size int) {
	c, s := memconn.Pipe(version, nil, nil)
	defer c.CloseWithError(0, "")
	w, err := c.OpenUniStream(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	w.Write([]byte{0})
	r, err := s.AcceptUniStream(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan int64)
	go func() {
		n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 64<<10))
		done <- n
	}()
	p := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	w.Close()
	<-done
}

// BenchmarkStreams is a group as moq-lite sends it: a stream with one frame.
func BenchmarkStreams(b *testing.B) {
	c, s := memconn.Pipe(version, nil, nil)
	defer c.CloseWithError(0, "")
	p, buf := make([]byte, 1000), make([]byte, 1001)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		w, err := c.OpenUniStream(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		w.Write(p)
		w.Close()
		r, err := s.AcceptUniStream(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if n, err := r.Read(buf); n != len(p) || err != io.EOF {
			b.Fatal(n, err)
		}
	}
}
