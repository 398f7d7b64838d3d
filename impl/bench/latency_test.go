//go:build unix

package bench

import (
	"context"
	"encoding/binary"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

const (
	latencyFrames = 400
	latencyPause  = 5 * time.Millisecond
	latencySize   = 1 << 10
)

// delays are how long frames were under way.
type delays []time.Duration

func (d delays) at(percent int) time.Duration {
	sorted := slices.Clone(d)
	slices.Sort(sorted)
	return sorted[len(sorted)*percent/100]
}

// stamp marks a frame with when it is sent, and age tells how long ago that
// was.
func stamp(p []byte, epoch time.Time) { binary.BigEndian.PutUint64(p, uint64(time.Since(epoch))) }

func age(p []byte, epoch time.Time) time.Duration {
	return time.Since(epoch) - time.Duration(binary.BigEndian.Uint64(p))
}

// bareLatency sends frames over one stream of the bare library.
func bareLatency(b *testing.B, p pair) (d delays) {
	client, server, end := p(b)
	defer end()
	epoch := time.Now()
	sent := make(chan error, 1)
	go func() { sent <- sendFrames(b.Context(), server, epoch) }()
	s, err := client.accept(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, latencySize)
	for range latencyFrames {
		if _, err := io.ReadFull(s, buf); err != nil {
			b.Fatal(err)
		}
		d = append(d, age(buf, epoch))
	}
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
	return d
}

func sendFrames(ctx context.Context, c conn, epoch time.Time) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	buf := make([]byte, latencySize)
	for range latencyFrames {
		time.Sleep(latencyPause)
		stamp(buf, epoch)
		if _, err := s.Write(buf); err != nil {
			return err
		}
	}
	return s.Close()
}

// ourLatency sends the same frames in a group.
func ourLatency(b *testing.B, scheme string) (d delays) {
	s := newSession(b, scheme)
	defer s.end()
	epoch := time.Now()
	err := s.mux.PublishFunc(b.Context(), "bench", func(w api.TrackWriter) {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		buf := make([]byte, latencySize)
		for range latencyFrames {
			time.Sleep(latencyPause)
			stamp(buf, epoch)
			if g.WriteFrame(api.Frame{Payload: buf}) != nil {
				return
			}
		}
		_ = g.Close()
	})
	if err != nil {
		b.Fatal(err)
	}
	r, err := s.Subscribe(b.Context(), "bench", "track", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	g, err := r.AcceptGroup(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var f api.Frame
	for g.ReadFrame(&f) == nil {
		d = append(d, age(f.Payload, epoch))
	}
	if len(d) != latencyFrames {
		b.Fatalf("%d frames came", len(d))
	}
	return d
}

func BenchmarkLatency(b *testing.B) {
	for _, scheme := range []string{"moqt", "https"} {
		b.Run(scheme, func(b *testing.B) {
			ratios := make(map[string][]float64)
			var usual []float64
			for range b.N {
				ours, plain := ourLatency(b, scheme), bareLatency(b, plainOf(scheme))
				usual = append(usual, ours.at(50).Seconds()*1e6)
				ratios["p50/plain"] = append(ratios["p50/plain"], ours.at(50).Seconds()/plain.at(50).Seconds())
				ratios["p99/plain"] = append(ratios["p99/plain"], ours.at(99).Seconds()/plain.at(99).Seconds())
			}
			report(b, ratios)
			b.ReportMetric(median(usual), "ours-p50-µs")
		})
	}
}
