package live_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// BenchmarkFanOut writes frames, ten a group, to a track with subscribers that
// count them. The rate is that of all subscribers together.
func BenchmarkFanOut(b *testing.B) {
	for _, subscribers := range []int{1, 100} {
		for _, size := range []int{200, 20_000} {
			b.Run(fmt.Sprintf("subscribers=%d/size=%d", subscribers, size), func(b *testing.B) {
				fanOut(b, subscribers, size)
			})
		}
	}
}

func fanOut(b *testing.B, subscribers, size int) {
	const frames = 10
	broadcast := new(live.Broadcast)
	track := broadcast.Track("video", api.TrackInfo{})
	ctx, cancel := context.WithCancel(b.Context())
	var served atomic.Int64
	done := make(chan struct{}, subscribers)
	for range subscribers {
		go func() {
			broadcast.ServeTrack(&counter{ctx: ctx, frames: &served})
			done <- struct{}{}
		}()
	}
	for track.Subscribers() < subscribers {
		runtime.Gosched()
	}
	payload := make([]byte, size)
	b.SetBytes(int64(size * subscribers))
	b.ReportAllocs()
	b.ResetTimer()
	var g api.GroupWriter
	for i := range b.N {
		if i%frames == 0 {
			if g != nil {
				_ = g.Close()
			}
			// No further ahead than a subscriber catches up with.
			for int64(i*subscribers)-served.Load() > int64(20*frames*subscribers) {
				runtime.Gosched()
			}
			g, _ = track.OpenGroup(ctx)
		}
		if err := g.WriteFrame(api.Frame{Timestamp: 1, Payload: payload}); err != nil {
			b.Fatal(err)
		}
	}
	_ = g.Close()
	_ = track.Close()
	for range subscribers {
		<-done
	}
	b.StopTimer()
	cancel()
	if got, want := served.Load(), int64(b.N*subscribers); got != want {
		b.Errorf("%d frames were served, want %d", got, want)
	}
}

// A counter is a subscriber that counts frames.
type counter struct {
	api.TrackWriter
	ctx    context.Context
	frames *atomic.Int64
}

func (c *counter) Context() context.Context  { return c.ctx }
func (c *counter) Updated() <-chan struct{}  { return nil }
func (c *counter) Request() api.TrackRequest { return api.TrackRequest{Name: "video"} }
func (c *counter) OpenGroupAt(context.Context, api.GroupSequence) (api.GroupWriter, error) {
	return &countedGroup{frames: c.frames}, nil
}

type countedGroup struct {
	api.GroupWriter
	frames *atomic.Int64
}

func (g *countedGroup) WriteFrame(api.Frame) error {
	g.frames.Add(1)
	return nil
}

func (g *countedGroup) StartFrame(api.FrameHeader) (io.Writer, error) {
	g.frames.Add(1)
	return io.Discard, nil
}

func (g *countedGroup) Close() error               { return nil }
func (g *countedGroup) Cancel(api.StreamErrorCode) {}
