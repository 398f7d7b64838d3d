package live_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/live"
)

// A sharingWriter is a subscriber that accepts shared frames, and records them.
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

// TestEdge checks that subscribers that read the newest frame get the same
// shared one, if they are many and it is large, and that others are served as
// usual.
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

// sizes are those of the frames that the crowd reads: from empty to more than
// is buffered at once, and together more than a connection's window.
var sizes = []int{0, 1, 1023, 1024, 1100, 4096, 16_000, 64<<10 - 48, 64 << 10, 100_000, 5000, 60_000, 3000}

// TestCrowd has subscribers of all versions read one track as it is written;
// some are slow, and one begins in the middle of a group. Encoded frames are
// shared by subscribers that need the same bytes; each must get the right ones.
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
		begin := func(v api.Version, first uint64, slow bool) {
			s, stop := dial(t, mux, v)
			t.Cleanup(stop)
			r := subscribe(t, s, &api.SubscribeConfig{StartGroup: 1, StartFrame: first, MaxLatency: time.Hour})
			reading.Go(func() { readCrowded(t, r, crowded{groups, first, v >= api.Lite05, slow}) })
		}
		for i, v := range append(api.Versions(), api.Versions()...) {
			begin(v, 0, i < 2)
		}
		synctest.Wait()
		for seq := range api.GroupSequence(groups) {
			g := openAt(t, track, seq+1, 0)
			for i, size := range sizes {
				time.Sleep(20 * time.Millisecond)
				fill(t, g, crowdedStamp(seq+1, i), string(payload(seq+1, i, size)))
				if seq == 0 && i == 7 {
					begin(api.Lite06, 4, false)
					synctest.Wait()
				}
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

// crowdedStamp returns a frame's timestamp; the steps between timestamps
// differ.
func crowdedStamp(seq api.GroupSequence, frame int) uint64 {
	return uint64(seq)*1000 + uint64(frame*frame)
}

// A crowded is what one subscriber of the crowd reads, and how.
type crowded struct {
	groups  int
	first   uint64 // frame of the first group
	stamped bool   // the version has timestamps
	slow    bool
}

// readCrowded reads whole groups, in whatever order they come.
func readCrowded(t *testing.T, r api.TrackReader, c crowded) {
	for range c.groups {
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		if c.slow {
			time.Sleep(time.Second)
		}
		for i := int(g.FirstFrame()); i < len(sizes); i++ {
			var f api.Frame
			if err := g.ReadFrame(&f); err != nil {
				t.Errorf("group %d, frame %d: %v", g.Sequence(), i, err)
				return
			}
			if !bytes.Equal(f.Payload, payload(g.Sequence(), i, sizes[i])) {
				t.Errorf("group %d, frame %d: it differs", g.Sequence(), i)
			}
			if want := crowdedStamp(g.Sequence(), i); c.stamped && f.Timestamp != want {
				t.Errorf("group %d, frame %d: timestamp %d, want %d", g.Sequence(), i, f.Timestamp, want)
			}
		}
		if err := g.ReadFrame(new(api.Frame)); err != io.EOF {
			t.Errorf("group %d ends with %v", g.Sequence(), err)
		}
		if g.Sequence() == 1 && g.FirstFrame() != c.first {
			t.Errorf("group 1 begins with frame %d, want %d", g.FirstFrame(), c.first)
		}
	}
	if _, err := r.AcceptGroup(t.Context()); err != io.EOF {
		t.Errorf("the track ends with %v", err)
	}
}

// A countingBroadcast counts the subscriptions that it is serving.
type countingBroadcast struct {
	*live.Broadcast
	serving atomic.Int32
}

func (b *countingBroadcast) ServeTrack(w api.TrackWriter) {
	b.serving.Add(1)
	defer b.serving.Add(-1)
	b.Broadcast.ServeTrack(w)
}

// TestCrowdWithOneWhoStopsReading makes one of many subscribers stop reading,
// so that the network takes nothing for it. The others go on, it gets the reset
// of its group, and it is released when it leaves or the broadcast ends.
func TestCrowdWithOneWhoStopsReading(t *testing.T) {
	const frames, size = 200, 32 << 10
	for _, test := range []struct {
		name string
		end  func(g api.GroupWriter, stuck api.TrackReader, withdraw func())
		code api.StreamErrorCode // with which its group ends
	}{
		{"leaves", func(_ api.GroupWriter, stuck api.TrackReader, _ func()) { _ = stuck.Close() }, 0},
		{"the group is reset", func(g api.GroupWriter, _ api.TrackReader, _ func()) { g.Cancel(api.StreamApplication) }, api.StreamApplication},
		{"the broadcast is withdrawn", func(_ api.GroupWriter, _ api.TrackReader, withdraw func()) { withdraw() }, api.StreamCancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &countingBroadcast{Broadcast: new(live.Broadcast)}
				track := b.Track("video", api.TrackInfo{MaxLatency: time.Hour})
				mux := api.NewTrackMux()
				ctx, withdraw := context.WithCancel(t.Context())
				defer withdraw()
				if err := mux.Publish(ctx, "room", b); err != nil {
					t.Fatal(err)
				}
				s, stop := dial(t, mux, api.Lite06)
				defer stop()
				stuck := subscribe(t, s, nil)
				var reading sync.WaitGroup
				for range 6 {
					s, stop := dial(t, mux, api.Lite06)
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
						_ = r.Close()
					})
				}
				synctest.Wait()
				g := open(t, track, 0)
				for i := range frames {
					time.Sleep(10 * time.Millisecond)
					fill(t, g, uint64(i), string(payload(0, i, size)))
				}
				reading.Wait()
				synctest.Wait()
				if n := b.serving.Load(); n != 1 {
					t.Fatalf("%d are served when all but one have left", n)
				}
				test.end(g, stuck, withdraw)
				time.Sleep(time.Second)
				if n := b.serving.Load(); n != 0 && test.code != api.StreamApplication {
					t.Errorf("%d are served in the end", n)
				}
				if test.code == 0 {
					return
				}
				if got, want := readGroup(accept(t, stuck)), fmt.Sprintf("!%d", test.code); got != want {
					t.Errorf("the group is %.20q for the one who stopped, want %q at once", got, want)
				}
			})
		})
	}
}
