//go:build unix

package bench

import (
	"context"
	"encoding/binary"
	"errors"
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

// delays are the times from sending a frame to receiving it.
type delays []time.Duration

func (d delays) at(percent int) time.Duration {
	sorted := slices.Clone(d)
	slices.Sort(sorted)
	return sorted[len(sorted)*percent/100]
}

// stamp writes the time of sending into a frame, and age returns how long ago
// that was.
func stamp(p []byte, epoch time.Time) { binary.BigEndian.PutUint64(p, uint64(time.Since(epoch))) }

func age(p []byte, epoch time.Time) time.Duration {
	return time.Since(epoch) - time.Duration(binary.BigEndian.Uint64(p))
}

// pacedFrames sends frames at regular times from a given time on.
func pacedFrames(from time.Time, send func(frame []byte) error) error {
	frame := make([]byte, latencySize)
	for i := range latencyFrames {
		time.Sleep(time.Until(from.Add(time.Duration(i) * latencyPause)))
		stamp(frame, from)
		if err := send(frame); err != nil {
			return err
		}
	}
	return nil
}

// bareLatency sends frames over one stream of the bare library.
func bareLatency(ctx context.Context, client, server conn, from time.Time) (d delays, err error) {
	sender, err := server.open(ctx)
	if err != nil {
		return nil, err
	}
	sent := make(chan error, 1)
	go func() {
		sent <- pacedFrames(from, func(frame []byte) error { _, err := sender.Write(frame); return err })
	}()
	s, err := client.accept(ctx)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, latencySize)
	for range latencyFrames {
		if _, err := io.ReadFull(s, buf); err != nil {
			return nil, err
		}
		d = append(d, age(buf, from))
	}
	return d, <-sent
}

// ourLatency sends the same frames in a group.
func ourLatency(ctx context.Context, s session, from time.Time) (d delays, err error) {
	err = s.mux.PublishFunc(ctx, "bench", func(w api.TrackWriter) {
		g, err := w.OpenGroup(w.Context())
		if err == nil {
			err = pacedFrames(from, func(frame []byte) error { return g.WriteFrame(api.Frame{Payload: frame}) })
		}
		if err == nil {
			_ = g.Close()
		}
	})
	if err != nil {
		return nil, err
	}
	r, err := s.Subscribe(ctx, "bench", "track", nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	g, err := r.AcceptGroup(ctx)
	if err != nil {
		return nil, err
	}
	var f api.Frame
	for range latencyFrames {
		if err := g.ReadFrame(&f); err != nil {
			return nil, err
		}
		d = append(d, age(f.Payload, from))
	}
	return d, nil
}

// latencies sends over both ways at the same time, with the frames of one
// halfway between those of the other.
func latencies(b *testing.B, scheme string) (ours, plain delays) {
	s := newSession(b, scheme)
	defer s.end()
	client, server, end := plainOf(scheme)(b)
	defer end()
	from := time.Now().Add(latencyPause)
	done := make(chan error, 1)
	go func() {
		var err error
		plain, err = bareLatency(b.Context(), client, server, from)
		done <- err
	}()
	ours, err := ourLatency(b.Context(), s, from.Add(latencyPause/2))
	if err = errors.Join(err, <-done); err != nil {
		b.Fatal(err)
	}
	return ours, plain
}

func BenchmarkLatency(b *testing.B) {
	for _, scheme := range []string{"moqt", "https"} {
		b.Run(scheme, func(b *testing.B) {
			ratios := make(map[string][]float64)
			var usual []float64
			for range b.N {
				ours, plain := latencies(b, scheme)
				usual = append(usual, ours.at(50).Seconds()*1e6)
				ratios["p50/plain"] = append(ratios["p50/plain"], ours.at(50).Seconds()/plain.at(50).Seconds())
				ratios["p99/plain"] = append(ratios["p99/plain"], ours.at(99).Seconds()/plain.at(99).Seconds())
			}
			report(b, ratios)
			b.ReportMetric(median(usual), "ours-p50-µs")
		})
	}
}
