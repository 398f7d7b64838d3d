package live_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

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
			// Do not run further ahead than a subscriber can catch up with.
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

// BenchmarkPaced writes groups of one small frame to a paced track that is full
// of such groups, with one subscriber that keeps up. The number of groups held
// must make no difference.
func BenchmarkPaced(b *testing.B) {
	for _, held := range []int64{300, 30_000} {
		b.Run(fmt.Sprintf("held=%d", held), func(b *testing.B) { writePaced(b, held) })
	}
}

func writePaced(b *testing.B, held int64) {
	const cost = 1 << 10 // more than a group takes
	broadcast := &live.Broadcast{Limits: live.Limits{Bytes: held * cost, Age: time.Hour}}
	track := broadcast.Track("video", api.TrackInfo{MaxLatency: time.Hour}).Paced()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	payload := make([]byte, 200)
	write := func() {
		g, err := track.OpenGroup(ctx)
		if err == nil {
			err = g.WriteFrame(api.Frame{Timestamp: 1, Payload: payload})
		}
		if err != nil {
			b.Fatal(err)
		}
		_ = g.Close()
	}
	for range 2 * held { // until the oldest are evicted
		write()
	}
	var served atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		broadcast.ServeTrack(&counter{ctx: ctx, frames: &served})
	}()
	for served.Load() < held {
		runtime.Gosched()
	}
	b.ReportAllocs()
	for b.Loop() {
		write()
	}
	_ = track.Close()
	<-done
	if served.Load() < int64(b.N) {
		b.Errorf("%d frames were served, want %d at least", served.Load(), b.N)
	}
}
