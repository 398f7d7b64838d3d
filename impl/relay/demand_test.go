package relay_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// publishGroups publishes "room", whose handler writes a group of three frames
// every 100 ms to each subscription.
func publishGroups(t *testing.T, mux *api.TrackMux) {
	t.Helper()
	err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
		for {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				return
			}
			for k := range 3 {
				_ = g.WriteFrame(api.Frame{Timestamp: uint64(g.Sequence())*100 + uint64(k) + 1, Payload: fmt.Append(nil, g.Sequence())})
			}
			_ = g.Close()
			select {
			case <-time.After(100 * time.Millisecond):
			case <-w.Context().Done():
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// countFor reads a track for a while.
func countFor(t *testing.T, r api.TrackReader, d time.Duration) (groups, frames int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for g, err := range api.Groups(ctx, r) {
		if err != nil {
			return groups, frames
		}
		groups++
		var f api.Frame
		for g.ReadFrame(&f) == nil {
			frames++
		}
	}
	return groups, frames
}

// TestFirstViewerWithOddBounds: the first viewer of a track has bounds that
// nobody else wants, and leaves soon. Viewers that have come meanwhile with the
// usual config get the track all the same.
func TestFirstViewerWithOddBounds(t *testing.T) {
	for name, odd := range map[string]api.SubscribeConfig{
		"start far ahead":   {StartGroup: 1 << 60},
		"start and end":     {StartGroup: 1 << 60, EndGroup: 1<<60 + 1},
		"end at once":       {EndGroup: 1},
		"frames":            {StartGroup: 1, EndGroup: 2, StartFrame: 1 << 60, EndFrame: 1<<60 + 1},
		"live edge":         {MaxLatency: -1},
		"least of all":      {MaxLatency: 1, Priority: -127},
		"start frame alone": {StartFrame: 1 << 60},
		"newest":            {StartGroup: api.GroupLatest},
	} {
		for _, stays := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stays %v", name, stays), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, _ := startRelay()
					defer server.Close()
					mux := api.NewTrackMux()
					publishGroups(t, mux)
					dial(t, server, api.Lite06, mux)
					first, viewer := dial(t, server, api.Lite06, api.NewTrackMux()), dial(t, server, api.Lite06, api.NewTrackMux())
					await(t, announcements(t, viewer), "room", api.AnnouncementActive)
					r := subscribe(t, first, &odd)
					defer r.Close()
					time.Sleep(time.Second)
					second := subscribe(t, viewer, nil)
					defer second.Close()
					if !stays {
						_ = r.Close()
					}
					if groups, frames := countFor(t, second, 10*time.Second); groups < 90 || frames < 3*groups {
						t.Errorf("who came later got %d groups with %d frames in 10 s, of 100", groups, frames)
					}
				})
			})
		}
	}
}

// TestViewerFarAheadAlone: the publisher does not send what nobody wants.
func TestViewerFarAheadAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		mux := api.NewTrackMux()
		writers := make(chan api.TrackWriter, 1)
		_ = mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
			writers <- w
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				t.Error(err)
				return
			}
			_ = g.WriteFrame(api.Frame{Timestamp: 1, Payload: []byte("x")})
			_ = g.Close()
			<-w.Context().Done()
		})
		dial(t, server, api.Lite06, mux)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		await(t, announcements(t, s), "room", api.AnnouncementActive)
		usual := subscribe(t, s, nil)
		w := <-writers
		far := subscribe(t, s, &api.SubscribeConfig{StartGroup: 1000})
		defer far.Close()
		synctest.Wait()
		if start := w.Request().Config.StartGroup; start != 0 {
			t.Errorf("upstream is asked for group %d on while a viewer wants all", start)
		}
		_ = usual.Close()
		synctest.Wait()
		if start := w.Request().Config.StartGroup; start != 1000 {
			t.Errorf("upstream is asked for group %d on when nobody wants less than 1000", start)
		}
	})
}

// TestEndBeforeTheStart: a viewer waits for a group that a track does not reach.
// One that comes just after the end gets the groups all the same.
func TestEndBeforeTheStart(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux, b := api.NewTrackMux(), new(live.Broadcast)
				track := b.Track("video", api.TrackInfo{})
				for range 3 {
					g, err := track.OpenGroup(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					_ = g.WriteFrame(api.Frame{Timestamp: 7, Payload: fmt.Append(nil, g.Sequence())})
					_ = g.Close()
				}
				_ = track.Close()
				if err := mux.Publish(t.Context(), "room", b); err != nil {
					t.Fatal(err)
				}
				dial(t, server, v, mux)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				early := subscribe(t, s, &api.SubscribeConfig{StartGroup: 30})
				if g, err := early.AcceptGroup(t.Context()); err != io.EOF {
					t.Errorf("from group 30: %v, %v", g, err)
				}
				if got, want := readAll(t, s, "room"), []string{"0", "1", "2"}; !slices.Equal(got, want) {
					t.Errorf("read %q, want %q", got, want)
				}
			})
		})
	}
}

// TestRangeIsExtended: a viewer asks for the first groups of a track, and, when
// the publisher has written on, for all that follow, or for some of them.
func TestRangeIsExtended(t *testing.T) {
	for _, v := range api.Versions() {
		for _, end := range []api.GroupSequence{0, 15} {
			t.Run(fmt.Sprintf("%s, to %d", v, end), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, _ := startRelay()
					defer server.Close()
					mux, b := api.NewTrackMux(), new(live.Broadcast)
					track := b.Track("video", api.TrackInfo{MaxLatency: time.Minute})
					_ = mux.Publish(t.Context(), "room", b)
					dial(t, server, v, mux)
					s := dial(t, server, v, api.NewTrackMux())
					time.Sleep(time.Second)
					r := subscribe(t, s, &api.SubscribeConfig{EndGroup: 5})
					defer r.Close()
					for range 20 {
						g, _ := track.OpenGroup(t.Context())
						writeNumber(g)
						time.Sleep(time.Second)
					}
					seen, _ := countFor(t, r, time.Second)
					if err := r.Update(&api.SubscribeConfig{EndGroup: end}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					_ = track.Close()
					more, _ := countFor(t, r, 5*time.Second)
					want := int(end)
					if end == 0 {
						want = 20
					}
					if seen != 5 || seen+more != want {
						t.Errorf("%d groups, and %d more; want 5, and %d in all; gaps %v", seen, more, want, r.Gaps())
					}
				})
			})
		}
	}
}
