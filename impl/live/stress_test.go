package live_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
)

// TestAllAtOnce writes groups at the same time, some to be reset, with
// subscribers and fetches that come and go and limits that evict much of it.
// What is read must be what was written, as far as it goes.
func TestAllAtOnce(t *testing.T) {
	const writers, groups = 4, 100
	b := &live.Broadcast{Limits: live.Limits{Bytes: 300_000, GroupBytes: 200_000}}
	track := b.Track("video", api.TrackInfo{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	var reading, writing sync.WaitGroup
	written := make(chan struct{})
	for i := range 8 {
		reading.Go(func() {
			for n := uint64(i); ; n++ {
				select {
				case <-written:
					return
				default:
				}
				if i%2 == 0 {
					watch(t, ctx, b, api.SubscribeConfig{StartGroup: api.GroupSequence(n % 3)})
				} else {
					newest, _ := track.Latest()
					g := apitest.NewGroupRecorder(ctx, newest)
					b.ServeFetch(g, api.FetchRequest{Name: "video", Group: newest, EndFrame: 1 + n%5})
					check(t, g)
				}
			}
		})
	}
	for range writers {
		writing.Go(func() {
			for range groups {
				g, err := track.OpenGroup(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				writeRandom(g)
			}
		})
	}
	writing.Wait()
	close(written)
	_ = b.Close()
	reading.Wait()
}

// watch subscribes for some milliseconds.
func watch(t *testing.T, ctx context.Context, b *live.Broadcast, c api.SubscribeConfig) {
	ctx, leave := context.WithTimeout(ctx, time.Duration(rand.IntN(5))*time.Millisecond)
	defer leave()
	r := apitest.NewTrackRecorder(ctx, api.TrackRequest{Name: "video", Config: c})
	b.ServeTrack(r)
	for _, g := range r.Groups() {
		check(t, g)
	}
}

// payload returns the bytes of a frame, by its group, index and size.
func payload(seq api.GroupSequence, frame, size int) []byte {
	text := fmt.Appendf(nil, "%d/%d ", seq, frame)
	return bytes.Repeat(text, size/len(text)+1)[:size]
}

func writeRandom(g api.GroupWriter) {
	for i := range rand.IntN(20) {
		data := payload(g.Sequence(), i, rand.IntN(rand.IntN(20_000)+1))
		f := api.Frame{Timestamp: uint64(len(data)), Payload: data}
		if i%2 == 0 {
			_ = g.WriteFrame(f)
			continue
		}
		body, err := g.StartFrame(api.FrameHeader{Timestamp: f.Timestamp, Size: f.Timestamp})
		for err == nil && len(data) > 0 {
			n := min(len(data), 7000)
			_, err = body.Write(data[:n])
			data = data[n:]
		}
	}
	if rand.IntN(10) == 0 {
		g.Cancel(api.StreamApplication)
		return
	}
	_ = g.Close()
}

func check(t *testing.T, g *apitest.GroupRecorder) {
	frames := g.Frames()
	_, code := g.Closed()
	for i, f := range frames {
		want := payload(g.Sequence(), i, int(f.Timestamp))
		cut := code != nil && i == len(frames)-1
		if !bytes.Equal(f.Payload, want) && !(cut && bytes.HasPrefix(want, f.Payload)) {
			t.Errorf("group %d: frame %d of %d differs", g.Sequence(), i, len(frames))
		}
	}
}
