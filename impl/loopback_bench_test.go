package impl_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"testing"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// chunk is what the loopback benchmarks send at a time.
const chunk = 64 << 10

// BenchmarkLoopback sends groups of 16 frames of 64 KiB over real sockets, and
// the same bytes over streams of quic-go alone, as what they are measured by.
func BenchmarkLoopback(b *testing.B) {
	b.Run("bare", bareQUIC)
	for _, scheme := range []string{"moqt", "https"} {
		b.Run(scheme, func(b *testing.B) { loopback(b, scheme) })
	}
}

func loopback(b *testing.B, scheme string) {
	mux := api.NewTrackMux()
	server := &impl.Server{Addr: "127.0.0.1:0", Mux: mux}
	addr, err := server.Listen()
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.ListenAndServe() }()
	defer server.Close()
	client := &impl.Client{TLSConfig: &tls.Config{InsecureSkipVerify: true}}
	defer client.Close()
	s, err := client.Dial(b.Context(), fmt.Sprintf("%s://%s", scheme, addr), api.NewTrackMux())
	if err != nil {
		b.Fatal(err)
	}
	start := make(chan struct{})
	if err := mux.PublishFunc(b.Context(), "bench", func(w api.TrackWriter) { <-start; writeGroups(b, w) }); err != nil {
		b.Fatal(err)
	}
	r, err := s.Subscribe(b.Context(), "bench", "track", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(chunk)
	b.ReportAllocs()
	b.ResetTimer()
	close(start)
	done := make(chan int)
	groups := 0
	for g, err := range api.Groups(b.Context(), r) {
		if err != nil {
			b.Fatal(err)
		}
		groups++
		go func() {
			n := 0
			var f api.Frame
			for g.ReadFrame(&f) == nil {
				n++
			}
			done <- n
		}()
	}
	b.StopTimer()
	frames := 0
	for range groups {
		frames += <-done
	}
	if frames != b.N {
		b.Errorf("read %d frames of %d; gaps %v", frames, b.N, r.Gaps())
	}
}

func writeGroups(b *testing.B, w api.TrackWriter) {
	payload := make([]byte, chunk)
	for left := b.N; left > 0; left -= 16 {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			b.Error(err)
			return
		}
		for i := range min(left, 16) {
			if err := g.WriteFrame(api.Frame{Timestamp: uint64(i), Payload: payload}); err != nil {
				b.Error(err)
				return
			}
		}
		_ = g.Close()
	}
}

func bareQUIC(b *testing.B) {
	cert, err := devcert.New()
	if err != nil {
		b.Fatal(err)
	}
	config := quicconn.DefaultConfig()
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"bare"}}, config)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	client, err := quic.DialAddr(b.Context(), l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"bare"}}, config)
	if err != nil {
		b.Fatal(err)
	}
	defer client.CloseWithError(0, "")
	server, err := l.Accept(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(chunk)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		payload := make([]byte, chunk)
		st, err := server.OpenUniStreamSync(context.Background())
		if err != nil {
			b.Error(err)
			return
		}
		for range b.N {
			if _, err := st.Write(payload); err != nil {
				b.Error(err)
				return
			}
		}
		_ = st.Close()
	}()
	st, err := client.AcceptUniStream(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, st); err != nil || n != int64(b.N)*chunk {
		b.Errorf("read %d bytes of %d, %v", n, b.N*chunk, err)
	}
}
