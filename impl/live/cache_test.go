package live_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
)

// fetch makes b serve one group to a recorder, until the call waits or has
// ended.
func fetch(t *testing.T, b *live.Broadcast, req api.FetchRequest) *apitest.GroupRecorder {
	t.Helper()
	req.Path, req.Name = "room", "video"
	w := apitest.NewGroupRecorder(t.Context(), req.Group)
	go b.ServeFetch(w, req)
	synctest.Wait()
	return w
}

func expectFetch(t *testing.T, b *live.Broadcast, seq api.GroupSequence, want string) {
	t.Helper()
	if got := recorded(fetch(t, b, api.FetchRequest{Group: seq})); got != want {
		t.Errorf("group %d: %q, want %q", seq, got, want)
	}
}

var evicted, notFound = fmt.Sprintf("!%d", api.StreamEvicted), fmt.Sprintf("!%d", api.StreamNotFound)

func TestEvictionByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &live.Broadcast{Limits: live.Limits{Bytes: 50_000}}
		track := b.Track("video", api.TrackInfo{})
		big := bytes.Repeat([]byte("x"), 20_000)
		for range 5 {
			g := open(t, track, 1)
			_ = g.WriteFrame(api.Frame{Payload: big})
			_ = g.Close()
		}
		for seq, want := range []string{evicted, evicted, evicted, string(big), string(big), notFound} {
			if got := recorded(fetch(t, b, api.FetchRequest{Group: api.GroupSequence(seq)})); got != want {
				t.Errorf("group %d: %.20q, want %.20q", seq, got, want)
			}
		}
		if _, err := track.OpenGroupAt(t.Context(), 1); !errors.Is(err, api.ErrTooFarBehind) {
			t.Errorf("open what was evicted: %v", err)
		}
		s := serve(t, b, api.SubscribeConfig{StartGroup: 1})
		s.expect(t, "from 1", fmt.Sprintf("3:%s 4:%s", big, big))
		s.leave()

		// The newest is kept even if it is too much, the rest is not.
		g := open(t, track, 1)
		for range 5 {
			_ = g.WriteFrame(api.Frame{Payload: big})
		}
		expectFetch(t, b, 4, evicted)
		if got := fetch(t, b, api.FetchRequest{Group: 5}).Frames(); len(got) != 5 {
			t.Errorf("%d frames of the newest group", len(got))
		}
		// Once it is not the newest, its writer is told too.
		_ = open(t, track, 1)
		err := g.WriteFrame(api.Frame{Payload: big})
		expectCode(t, "an evicted group's writer", err, api.StreamEvicted)
		expectCode(t, "its context", context.Cause(g.Context()), api.StreamEvicted)
		_ = b.Close()
	})
}

func TestEvictionByAge(t *testing.T) {
	tests := []struct {
		name   string
		limits live.Limits
		info   api.TrackInfo
		age    time.Duration
	}{
		{"the default", live.Limits{}, api.TrackInfo{}, 30 * time.Second},
		{"the track's", live.Limits{}, api.TrackInfo{MaxLatency: time.Minute}, time.Minute},
		{"the limit", live.Limits{Age: time.Second}, api.TrackInfo{MaxLatency: time.Minute}, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &live.Broadcast{Limits: test.limits}
				track := b.Track("video", test.info)
				put(t, track, "a")
				time.Sleep(test.age / 2)
				put(t, track, "b")
				time.Sleep(test.age/2 + time.Millisecond)
				expectFetch(t, b, 0, "a") // nothing is written
				put(t, track, "c")
				expectFetch(t, b, 0, evicted)
				expectFetch(t, b, 1, "b")
				time.Sleep(24 * time.Hour)
				expectFetch(t, b, 2, "c")
			})
		})
	}
}

func TestGroupTooLarge(t *testing.T) {
	tooLarge := fmt.Sprintf("!%d", api.StreamGroupTooLarge)
	tests := []struct {
		name  string
		write func(g api.GroupWriter) error
	}{
		{"by frames", func(g api.GroupWriter) error {
			for range 20 {
				if err := g.WriteFrame(api.Frame{Payload: make([]byte, 1000)}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"by a whole frame", func(g api.GroupWriter) error {
			return g.WriteFrame(api.Frame{Payload: make([]byte, 10_001)})
		}},
		{"by a size that is told", func(g api.GroupWriter) error {
			_, err := g.StartFrame(api.FrameHeader{Size: 1 << 60})
			return err
		}},
		{"by empty frames", func(g api.GroupWriter) error {
			for range 1000 {
				if err := g.WriteFrame(api.Frame{}); err != nil {
					return err
				}
			}
			return nil
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &live.Broadcast{Limits: live.Limits{GroupBytes: 10_000}}
				track := b.Track("video", api.TrackInfo{})
				g := open(t, track, 1)
				s := serve(t, b, api.SubscribeConfig{})
				expectCode(t, "the writer", test.write(g), api.StreamGroupTooLarge)
				synctest.Wait()
				if _, code := s.Groups()[0].Closed(); code == nil || *code != api.StreamGroupTooLarge {
					t.Errorf("the subscriber: %v, want %v", code, api.StreamGroupTooLarge)
				}
				expectFetch(t, b, 0, tooLarge)
				put(t, track, "next")
				_ = b.Close()
				s.expectEnd(t, "the track's end", nil)
			})
		})
	}
}

// TestHeldBytes writes much and little in many groups, and compares the memory
// in use then with the limit.
func TestHeldBytes(t *testing.T) {
	for _, size := range []int{0, 10, 700, 3000, 5000, 40_000, 100_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			const limit = 4 << 20
			track := live.NewTrack(api.TrackInfo{}, live.Limits{Bytes: limit})
			payload := make([]byte, size)
			before := heap()
			for range 3 * limit / (size + 64) / 20 {
				g := open(t, track, 1)
				for range 20 {
					if err := g.WriteFrame(api.Frame{Timestamp: 1, Payload: payload}); err != nil {
						t.Fatal(err)
					}
				}
				_ = g.Close()
			}
			held := heap() - before
			if held > limit*5/4 || held < limit/2 {
				t.Errorf("holds %d bytes, with a limit of %d", held, limit)
			}
			runtime.KeepAlive(track)
		})
	}
}

// TestStoredOnce compares the memory for 100 subscribers with that for one.
func TestStoredOnce(t *testing.T) {
	const size = 8 << 20
	taken := func(subscribers int) (bytes int64) {
		synctest.Test(t, func(t *testing.T) {
			b := new(live.Broadcast)
			track := b.Track("video", api.TrackInfo{})
			var all []*subscriber
			for range subscribers {
				s, _ := serveStuck(t, b, api.SubscribeConfig{})
				all = append(all, s)
			}
			before := heap()
			for i := range uint64(8) {
				g := open(t, track, 1+i)
				for range 8 {
					_ = g.WriteFrame(api.Frame{Timestamp: 1 + i, Payload: make([]byte, size/64)})
				}
				_ = g.Close()
			}
			synctest.Wait()
			bytes = heap() - before
			for _, s := range all {
				s.leave()
				s.expectEnd(t, "left", nil)
			}
		})
		return bytes
	}
	one, hundred := taken(1), taken(100)
	t.Logf("one subscriber takes %d bytes, a hundred %d", one, hundred)
	if hundred > one+100*8*10_000 {
		t.Errorf("one subscriber takes %d bytes, a hundred %d", one, hundred)
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
