package impl_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// BenchmarkFrames sends one group of many frames through a session in memory,
// and reports the rate, and allocations per frame.
func BenchmarkFrames(b *testing.B) {
	for _, size := range []int{100, 1200, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			payload := make([]byte, size)
			benchmark(b, int64(size), writeFrames(b, payload))
		})
	}
}

// BenchmarkGrant sends one group of many small frames to a session that nobody was asked
// about, and to one that may read some patterns until an hour from now: what a grant
// costs.
func BenchmarkGrant(b *testing.B) {
	admit := func(context.Context, api.AdmitRequest) (api.Grant, error) {
		return api.Grant{Subscribe: api.Patterns{"a/**", "room/*/video", "ben*"}, Expires: time.Now().Add(time.Hour)}, nil
	}
	payload := make([]byte, 100)
	for name, admit := range map[string]func(context.Context, api.AdmitRequest) (api.Grant, error){"none": nil, "granted": admit} {
		b.Run(name, func(b *testing.B) {
			benchmarkWith(b, int64(len(payload)), admit, writeFrames(b, payload))
		})
	}
}

// writeFrames returns a publisher of one group with a frame for each iteration.
func writeFrames(b *testing.B, payload []byte) func(api.TrackWriter, *atomic.Int64) {
	return func(w api.TrackWriter, _ *atomic.Int64) {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			b.Error(err)
			return
		}
		for i := range b.N {
			if err := g.WriteFrame(api.Frame{Timestamp: uint64(i), Payload: payload}); err != nil {
				b.Error(err)
				return
			}
		}
		_ = g.Close()
	}
}

// BenchmarkGroups sends groups of one frame, at most as many ahead of the
// reader as may be unread.
func BenchmarkGroups(b *testing.B) {
	payload := make([]byte, 1000)
	benchmark(b, int64(len(payload)), func(w api.TrackWriter, read *atomic.Int64) {
		for i := range b.N {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				b.Error(err)
				return
			}
			// All have the same timestamp, so that none is too old.
			if err := g.WriteFrame(api.Frame{Timestamp: 1, Payload: payload}); err != nil {
				b.Error(err)
				return
			}
			_ = g.Close()
			for int64(i)-read.Load() > 500 {
				runtime.Gosched()
			}
		}
	})
}

func benchmark(b *testing.B, size int64, serve func(w api.TrackWriter, read *atomic.Int64)) {
	benchmarkWith(b, size, nil, serve)
}

func benchmarkWith(b *testing.B, size int64, admit func(context.Context, api.AdmitRequest) (api.Grant, error), serve func(w api.TrackWriter, read *atomic.Int64)) {
	mux := api.NewTrackMux()
	server := moqtest.NewUnstartedServer(mux)
	server.Config.Admit = admit
	server.Start()
	defer server.Close()
	s, err := server.Client().Dial(b.Context(), server.URL, api.NewTrackMux())
	if err != nil {
		b.Fatal(err)
	}
	start := make(chan struct{})
	var read atomic.Int64
	if err := mux.PublishFunc(b.Context(), "bench", func(w api.TrackWriter) { <-start; serve(w, &read) }); err != nil {
		b.Fatal(err)
	}
	r, err := s.Subscribe(b.Context(), "bench", "track", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	b.ResetTimer()
	close(start)
	var f api.Frame
	frames := 0
	for {
		g, err := r.AcceptGroup(b.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		for {
			err := g.ReadFrame(&f)
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			frames++
			read.Add(1)
		}
	}
	b.StopTimer()
	if frames != b.N {
		b.Fatalf("read %d frames of %d; gaps %v", frames, b.N, r.Gaps())
	}
}
