package relay_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// A camera publishes a live track "video" in "room", a group each 100 ms, by
// any number of sessions.
type camera struct {
	mux       *api.TrackMux
	broadcast live.Broadcast
	track     *live.Track
}

func newCamera(t *testing.T, ctx context.Context, groups int) *camera {
	t.Helper()
	c := &camera{mux: api.NewTrackMux()}
	c.track = c.broadcast.Track("video", api.TrackInfo{})
	if err := c.mux.Publish(ctx, "room", &c.broadcast); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer c.track.Close()
		for i := range groups {
			g, err := c.track.OpenGroup(ctx)
			if err != nil {
				return
			}
			_ = g.WriteFrame(api.Frame{Timestamp: uint64(i+1) * 100, Payload: fmt.Appendf(nil, "%d", i)})
			_ = g.Close()
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// connect publishes the camera by one more session, always with the same hop.
func (c *camera) connect(t *testing.T, server *moqtest.Server, v api.Version) api.Session {
	t.Helper()
	client := server.Client()
	client.Config = &api.Config{Versions: []api.Version{v}, Hop: 4711}
	s, err := client.Dial(t.Context(), server.URL, c.mux)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// numbers reads a track to its end.
func numbers(t *testing.T, r api.TrackReader) (seen []api.GroupSequence, err error) {
	t.Helper()
	for g, err := range api.Groups(t.Context(), r) {
		if err != nil {
			return seen, err
		}
		var f api.Frame
		if err := g.ReadFrame(&f); err != nil {
			return seen, err
		}
		if string(f.Payload) != fmt.Sprint(g.Sequence()) {
			t.Errorf("group %d has %q", g.Sequence(), f.Payload)
		}
		seen = append(seen, g.Sequence())
	}
	return seen, nil
}

func subscribe(t *testing.T, s api.Session, c *api.SubscribeConfig) api.TrackReader {
	t.Helper()
	r, err := s.Subscribe(t.Context(), "room", "video", c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestOneSubscriptionUpstream serves many subscribers from one subscription,
// each from the newest group on.
func TestOneSubscriptionUpstream(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				c := newCamera(t, t.Context(), 30)
				c.connect(t, server, v)
				s := dial(t, server, v, api.NewTrackMux())
				await(t, announcements(t, s), "room", api.AnnouncementActive)
				results := make(chan []api.GroupSequence, 5)
				for i := range 5 {
					r := subscribe(t, s, nil)
					go func() {
						seen, err := numbers(t, r)
						if err != nil {
							t.Error(err)
						}
						results <- seen
					}()
					time.Sleep(300 * time.Millisecond)
					if n := c.track.Subscribers(); n != 1 {
						t.Errorf("%d subscriptions upstream with %d here", n, i+1)
					}
				}
				for range 5 {
					seen := <-results
					slices.Sort(seen)
					for i, seq := range seen {
						if seq != seen[0]+api.GroupSequence(i) {
							t.Errorf("groups %v, want them without a gap", seen)
							break
						}
					}
					if last := seen[len(seen)-1]; last != 29 || len(seen) < 10 {
						t.Errorf("groups %v, want them to 29", seen)
					}
				}
			})
		})
	}
}

// TestUnsubscribesUpstream when the track had no reader for a while.
func TestUnsubscribesUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		c := newCamera(t, ctx, 1000)
		c.connect(t, server, api.Lite06)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		await(t, announcements(t, s), "room", api.AnnouncementActive)
		for range 2 {
			r := subscribe(t, s, nil)
			if _, err := r.AcceptGroup(t.Context()); err != nil {
				t.Fatal(err)
			}
			_ = r.Close()
			time.Sleep(time.Second)
			if n := c.track.Subscribers(); n != 1 {
				t.Errorf("%d subscriptions upstream soon after the last reader left, want 1", n)
			}
			time.Sleep(2 * time.Second)
			if n := c.track.Subscribers(); n != 0 {
				t.Errorf("%d subscriptions upstream long after the last reader left", n)
			}
		}
	})
}

// TestUpdatesAreTakenTogether: the relay asks upstream for what the most
// demanding subscriber wants.
func TestUpdatesAreTakenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		mux := api.NewTrackMux()
		writers := make(chan api.TrackWriter, 1)
		_ = mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
			writers <- w
			<-w.Context().Done()
		})
		dial(t, server, api.Lite06, mux)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		await(t, announcements(t, s), "room", api.AnnouncementActive)
		low := subscribe(t, s, &api.SubscribeConfig{Priority: 1, MaxLatency: time.Second})
		w := <-writers
		high := subscribe(t, s, &api.SubscribeConfig{Priority: 7, MaxLatency: 3 * time.Second})
		synctest.Wait()
		if c := w.Request().Config; c.Priority != 7 || c.MaxLatency != 3*time.Second {
			t.Errorf("upstream is asked for %+v", c)
		}
		_ = high.Close()
		_ = low.Update(&api.SubscribeConfig{Priority: 2, MaxLatency: time.Second})
		synctest.Wait()
		if c := w.Request().Config; c.Priority != 2 || c.MaxLatency != time.Second {
			t.Errorf("upstream is asked for %+v after one has left", c)
		}
	})
}

// TestChangeOver removes the route of a track in the middle: the subscription
// goes on by another one of the same origin, with the next group.
func TestChangeOver(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				c := newCamera(t, t.Context(), 40)
				first := c.connect(t, server, v)
				s := dial(t, server, api.Lite06, api.NewTrackMux())
				heard := announcements(t, s)
				await(t, heard, "room", api.AnnouncementActive)
				r := subscribe(t, s, nil)
				go func() {
					time.Sleep(time.Second)
					c.connect(t, server, v) // the newer of two equal routes is taken
					time.Sleep(time.Second)
					_ = first.Terminate(api.SessionNoError, "")
					third := c.connect(t, server, v)
					time.Sleep(time.Second)
					_ = third.Terminate(api.SessionNoError, "")
				}()
				seen, err := numbers(t, r)
				if err != nil {
					t.Fatalf("after groups %v: %v", seen, err)
				}
				if len(seen) != 40 {
					t.Errorf("groups %v, want all 40; gaps %v", seen, r.Gaps())
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				for a, err := range api.Announcements(ctx, heard) {
					if err == nil && a.Status != api.AnnouncementUpdated && a.Status != api.AnnouncementsComplete {
						t.Errorf("heard %v while another route of one origin is taken", a)
					}
				}
			})
		})
	}
}

func TestFetchThroughTheRelay(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				c := newCamera(t, t.Context(), 20)
				c.connect(t, server, v)
				s := dial(t, server, v, api.NewTrackMux())
				await(t, announcements(t, s), "room", api.AnnouncementActive)
				time.Sleep(1500 * time.Millisecond)
				fetch := func(seq api.GroupSequence) string {
					g, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: seq})
					if err != nil {
						return err.Error()
					}
					var f api.Frame
					if err := g.ReadFrame(&f); err != nil {
						return err.Error()
					}
					return string(f.Payload)
				}
				// Nothing is held: the publisher answers.
				if got := fetch(3); got != "3" {
					t.Errorf("fetched %q from the publisher", got)
				}
				if _, err := numbers(t, subscribe(t, s, nil)); err != nil {
					t.Fatal(err)
				}
				_ = c.broadcast.Close()
				c.track.CloseWithError(api.StreamInternal) // it has nothing any more
				if got := fetch(19); got != "19" {
					t.Errorf("fetched %q from what the relay holds", got)
				}
				if got := fetch(99); got == "99" {
					t.Error("fetched what is not there")
				}
			})
		})
	}
}

func TestDatagramsThroughTheRelay(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux := api.NewTrackMux()
				sent := []api.GroupSequence{0, 1, 2, 5, 6, 9}
				_ = mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
					for i, seq := range sent {
						d := api.Datagram{Timestamp: uint64(i), Payload: []byte("x")}
						for range 2 { // of which the second is for nobody
							if err := w.SendDatagramAt(seq, d); err != nil {
								t.Error(err)
							}
						}
					}
					if _, err := w.OpenGroupAt(w.Context(), 5); err == nil {
						t.Error("a group was opened with the number of a datagram")
					}
					_ = w.SendDatagram(api.Datagram{Timestamp: uint64(len(sent))}) // 10
					g, err := w.OpenGroup(w.Context())
					if err != nil || g.Sequence() != 11 {
						t.Errorf("the group after datagram 10 is %d, %v", g.Sequence(), err)
					}
					_ = g.Close()
					_ = w.SendDatagramAt(11, api.Datagram{Payload: []byte("for nobody")})
					_ = w.SendDatagramAt(12, api.Datagram{Timestamp: uint64(len(sent) + 1)})
					<-w.Context().Done()
				})
				dial(t, server, v, mux)
				s := dial(t, server, v, api.NewTrackMux())
				await(t, announcements(t, s), "room", api.AnnouncementActive)
				r := subscribe(t, s, nil)
				var d api.Datagram
				for i, want := range append(slices.Clone(sent), 10, 12) {
					if err := r.ReceiveDatagram(t.Context(), &d); err != nil || d.Sequence != want || d.Timestamp != uint64(i) {
						t.Errorf("datagram %+v, %v; want number %d", d, err, want)
					}
				}
			})
		})
	}
}
