package live_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
)

// A sharingWriter is a subscriber that takes shared frames, and notes them.
type sharingWriter struct {
	*apitest.TrackRecorder

	mu     sync.Mutex
	shared []*api.SharedFrame
}

func (w *sharingWriter) OpenGroupAt(ctx context.Context, seq api.GroupSequence) (api.GroupWriter, error) {
	g, err := w.TrackRecorder.OpenGroupAt(ctx, seq)
	return &sharingGroup{g, w}, err
}

type sharingGroup struct {
	api.GroupWriter
	track *sharingWriter
}

func (g *sharingGroup) WriteSharedFrame(f *api.SharedFrame) error {
	g.track.mu.Lock()
	g.track.shared = append(g.track.shared, f)
	g.track.mu.Unlock()
	return g.WriteFrame(f.Frame)
}

// TestEdge checks that those who read the newest frame are given the same one,
// if they are many and it is large, and that others are served as ever.
func TestEdge(t *testing.T) {
	for _, test := range []struct {
		subscribers, size int
		shared            bool
	}{
		{subscribers: 2, size: 4000},
		{subscribers: 8, size: 10},
		{subscribers: 8, size: 4000, shared: true},
	} {
		t.Run(fmt.Sprintf("%d subscribers, %d bytes", test.subscribers, test.size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := new(live.Broadcast)
				track := b.Track("video", api.TrackInfo{})
				ctx, leave := context.WithCancel(t.Context())
				var serving sync.WaitGroup
				var all []*sharingWriter
				for range test.subscribers {
					w := &sharingWriter{TrackRecorder: apitest.NewTrackRecorder(ctx, api.TrackRequest{Path: "room", Name: "video"})}
					all = append(all, w)
					serving.Go(func() { b.ServeTrack(w) })
				}
				synctest.Wait()
				g := open(t, track, 0)
				for i := range 3 {
					fill(t, g, uint64(i), string(payload(0, i, test.size)))
					synctest.Wait()
				}
				for _, w := range all {
					if got := len(w.Groups()[0].Frames()); got != 3 {
						t.Errorf("%d frames were served, of 3", got)
					}
					if want := all[0].shared; len(w.shared) != len(want) || test.shared && (len(want) != 3 || w.shared[2] != want[2]) {
						t.Errorf("shared frames: %v, and by another subscriber %v", w.shared, want)
					}
				}
				if !test.shared && len(all[0].shared) > 0 {
					t.Error("frames are shared")
				}
				leave()
				serving.Wait()
			})
		})
	}
}

// sizes are those of the frames that crowd reads: from empty to more than is
// gathered at once.
var sizes = []int{0, 1, 1023, 1024, 1100, 4096, 16_000, 64<<10 - 48, 64 << 10, 100_000}

// TestCrowd has subscribers of all versions read one track as it is written,
// some from the middle on and one that is slow. What is sent of a frame is
// shared by those that need the same; each must get what is its own.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{MaxLatency: time.Hour})
		mux := api.NewTrackMux()
		if err := mux.Publish(t.Context(), "room", b); err != nil {
			t.Fatal(err)
		}
		const groups = 4
		var reading sync.WaitGroup
		for i, v := range append(api.Versions(), api.Versions()...) {
			s, stop := dial(t, mux, v)
			defer stop()
			r := subscribe(t, s, &api.SubscribeConfig{StartGroup: 1, MaxLatency: time.Hour})
			stamped := v >= api.Lite05
			reading.Go(func() { readCrowded(t, r, groups, stamped, i == 3) })
		}
		synctest.Wait()
		for seq := range api.GroupSequence(groups) {
			g := openAt(t, track, seq+1, 0)
			for i, size := range sizes {
				time.Sleep(20 * time.Millisecond)
				fill(t, g, uint64(seq)*1000+uint64(i)+1, string(payload(seq+1, i, size)))
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := track.Close(); err != nil {
			t.Error(err)
		}
		reading.Wait()
	})
}

// readCrowded reads whole groups, in whatever order they come.
func readCrowded(t *testing.T, r api.TrackReader, groups int, stamped, slow bool) {
	for range groups {
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		for i, size := range sizes {
			if slow {
				time.Sleep(50 * time.Millisecond)
			}
			var f api.Frame
			if err := g.ReadFrame(&f); err != nil {
				t.Errorf("group %d, frame %d: %v", g.Sequence(), i, err)
				return
			}
			if !bytes.Equal(f.Payload, payload(g.Sequence(), i, size)) {
				t.Errorf("group %d, frame %d: it differs", g.Sequence(), i)
			}
			if want := uint64(g.Sequence()-1)*1000 + uint64(i) + 1; stamped && f.Timestamp != want {
				t.Errorf("group %d, frame %d: timestamp %d, want %d", g.Sequence(), i, f.Timestamp, want)
			}
		}
		if err := g.ReadFrame(new(api.Frame)); err != io.EOF {
			t.Errorf("group %d ends with %v", g.Sequence(), err)
		}
	}
	if _, err := r.AcceptGroup(t.Context()); err != io.EOF {
		t.Errorf("the track ends with %v", err)
	}
}

// TestCrowdWithOneWhoStopsReading has one of many subscribers take nothing, so
// that the network takes nothing for it: the others read on, and it can leave.
func TestCrowdWithOneWhoStopsReading(t *testing.T) {
	inEachVersion(t, func(t *testing.T, b *live.Broadcast, s api.Session) {
		mux := api.NewTrackMux()
		if err := mux.Publish(t.Context(), "room", b); err != nil {
			t.Fatal(err)
		}
		track := b.Track("video", api.TrackInfo{MaxLatency: time.Hour})
		stuck := subscribe(t, s, nil)
		const frames, size = 200, 32 << 10
		var reading sync.WaitGroup
		for range 6 {
			s, stop := dial(t, mux, s.State().Version)
			defer stop()
			r := subscribe(t, s, nil)
			reading.Go(func() {
				g, err := r.AcceptGroup(t.Context())
				var f api.Frame
				for i := 0; err == nil && i < frames; i++ {
					if err = g.ReadFrame(&f); err == nil && !bytes.Equal(f.Payload, payload(0, i, size)) {
						t.Errorf("frame %d differs", i)
					}
				}
				if err != nil {
					t.Errorf("a reader beside the one who stops: %v", err)
				}
			})
		}
		synctest.Wait()
		g := open(t, track, 0)
		for i := range frames {
			time.Sleep(10 * time.Millisecond)
			fill(t, g, uint64(i), string(payload(0, i, size)))
		}
		reading.Wait()
		if n := track.Subscribers(); n != 7 {
			t.Errorf("%d are subscribed, of 7", n)
		}
		if err := stuck.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := track.Subscribers(); n != 6 {
			t.Errorf("%d are subscribed when one has left, of 6", n)
		}
	})
}
