package relay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/relay"
)

// startRelay starts a relay in memory.
func startRelay() (*moqtest.Server, *relay.Relay) {
	server := moqtest.NewRelay()
	return server, server.Relay
}

func dial(t *testing.T, server *moqtest.Server, v api.Version, mux *api.TrackMux) api.Session {
	t.Helper()
	c := server.Client()
	c.Config = &api.Config{Versions: []api.Version{v}}
	s, err := c.Dial(t.Context(), server.URL, mux)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// await follows announcements until path has a status.
func await(t *testing.T, r api.AnnouncementReader, path api.BroadcastPath, status api.AnnouncementStatus) api.Announcement {
	t.Helper()
	for {
		a, err := r.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if a.Path == path && a.Status == status {
			return a
		}
	}
}

func announcements(t *testing.T, s api.Session) api.AnnouncementReader {
	t.Helper()
	r, err := s.Announcements(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// serve returns a handler that writes n groups of one frame, which says who
// wrote it.
func serve(who string, n int) func(w api.TrackWriter) {
	return func(w api.TrackWriter) {
		for range n {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				return
			}
			_ = g.WriteFrame(api.Frame{Timestamp: 7, Payload: fmt.Appendf(nil, "%s %d", who, g.Sequence())})
			_ = g.Close()
		}
	}
}

func readAll(t *testing.T, s api.Session, path api.BroadcastPath) []string {
	t.Helper()
	r, err := s.Subscribe(t.Context(), path, "video", nil)
	if err != nil {
		t.Fatal(err)
	}
	var frames []string
	for g, err := range api.Groups(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		for f, err := range api.Frames(t.Context(), g, nil) {
			if err != nil {
				t.Fatal(err)
			}
			frames = append(frames, string(f.Payload))
		}
	}
	slices.Sort(frames)
	return frames
}

func TestBetweenAllVersions(t *testing.T) {
	for _, from := range api.Versions() {
		for _, to := range api.Versions() {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, _ := startRelay()
					defer server.Close()
					mux := api.NewTrackMux()
					if err := mux.PublishFunc(t.Context(), "room/cam", serve("cam", 3)); err != nil {
						t.Fatal(err)
					}
					dial(t, server, from, mux)
					s := dial(t, server, to, api.NewTrackMux())
					a := await(t, announcements(t, s), "room/cam", api.AnnouncementActive)
					if len(a.Hops) != 2 {
						t.Errorf("hops %v, want publisher and relay", a.Hops)
					}
					if got, want := readAll(t, s, "room/cam"), []string{"cam 0", "cam 1", "cam 2"}; !slices.Equal(got, want) {
						t.Errorf("read %q, want %q", got, want)
					}
				})
			})
		}
	}
}

// TestNotAnnouncedBack: a publisher that reads the relay's announcements does
// not get its own, in any version.
func TestNotAnnouncedBack(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux := api.NewTrackMux()
				if err := mux.PublishFunc(t.Context(), "mine", serve("me", 1)); err != nil {
					t.Fatal(err)
				}
				s := dial(t, server, v, mux)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				for a, err := range api.Announcements(ctx, announcements(t, s)) {
					if errors.Is(err, context.DeadlineExceeded) {
						return
					}
					if a.Status != api.AnnouncementsComplete {
						t.Errorf("announced back: %v, %v", a, err)
					}
				}
			})
		})
	}
}

// TestNewestPublisherIsUsed has two publishers that know nothing of each other:
// the one that came last has perhaps replaced the other.
func TestNewestPublisherIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		publish := func(who string) api.Session {
			mux := api.NewTrackMux()
			if err := mux.PublishFunc(t.Context(), "room", serve(who, 1)); err != nil {
				t.Fatal(err)
			}
			return dial(t, server, api.Lite06, mux)
		}
		publish("first")
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		heard := announcements(t, s)
		await(t, heard, "room", api.AnnouncementActive)
		second := publish("second")
		await(t, heard, "room", api.AnnouncementEnded)
		await(t, heard, "room", api.AnnouncementActive)
		if got := readAll(t, s, "room"); !slices.Equal(got, []string{"second 0"}) {
			t.Errorf("read %q of two publishers", got)
		}
		_ = second.Terminate(api.SessionNoError, "")
		await(t, heard, "room", api.AnnouncementEnded)
		await(t, heard, "room", api.AnnouncementActive)
		if got := readAll(t, s, "room"); !slices.Equal(got, []string{"first 0"}) {
			t.Errorf("read %q after the second has gone", got)
		}
	})
}

func TestRefusalsPassThrough(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux := api.NewTrackMux()
				refuse := func(context.Context, api.TrackRequest) (api.TrackInfo, error) {
					return api.TrackInfo{}, &api.StreamError{Code: api.StreamApplication + 6}
				}
				if err := mux.Publish(t.Context(), "room", api.TrackFuncs{Info: refuse}); err != nil {
					t.Fatal(err)
				}
				dial(t, server, v, mux)
				s := dial(t, server, v, api.NewTrackMux())
				await(t, announcements(t, s), "room", api.AnnouncementActive)
				_, err := subscribeAndAccept(t, s)
				reset, ok := errors.AsType[*api.StreamError](err)
				if !ok || reset.Code != api.StreamApplication+6 || !reset.Remote {
					t.Errorf("refused with %v, want the publisher's code", err)
				}
			})
		})
	}
}

// subscribeAndAccept waits for the first group: below moq-lite-05 a relay can
// only refuse after it has accepted.
func subscribeAndAccept(t *testing.T, s api.Session) (api.GroupReader, error) {
	t.Helper()
	r, err := s.Subscribe(t.Context(), "room", "video", nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.AcceptGroup(t.Context())
}

// TestFrameGoesOnWhileItArrives writes half a frame and waits for the other
// side to have it.
func TestFrameGoesOnWhileItArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		mux := api.NewTrackMux()
		read := make(chan struct{})
		err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				t.Error(err)
				return
			}
			body, err := g.StartFrame(api.FrameHeader{Size: 8})
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = body.Write([]byte("half"))
			<-read
			_, _ = body.Write([]byte("rest"))
			_ = g.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		dial(t, server, api.Lite06, mux)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		await(t, announcements(t, s), "room", api.AnnouncementActive)
		g, err := subscribeKeeping(t, s)
		if err != nil {
			t.Fatal(err)
		}
		_, body, err := g.NextFrame()
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 8)
		n, err := body.Read(buf)
		if err != nil || string(buf[:n]) != "half" {
			t.Fatalf("read %q, %v while the frame is being written", buf[:n], err)
		}
		close(read)
		n, err = body.Read(buf)
		if err != nil || string(buf[:n]) != "rest" {
			t.Fatalf("read %q, %v", buf[:n], err)
		}
	})
}

func subscribeKeeping(t *testing.T, s api.Session) (api.GroupReader, error) {
	t.Helper()
	r, err := s.Subscribe(t.Context(), "room", "video", nil)
	if err != nil {
		return nil, err
	}
	return r.AcceptGroup(t.Context())
}

// TestSessionsThatDoNotCompare makes the relay subscribe by sessions that an
// application has wrapped in a type on which == panics.
func TestSessionsThatDoNotCompare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type wrapped struct {
			api.Session
			_ []string
		}
		server := moqtest.NewUnstartedRelay()
		server.Config.Handler = func(s api.Session) { server.Relay.Handler(wrapped{Session: s}) }
		server.Start()
		defer server.Close()
		mux := api.NewTrackMux()
		if err := mux.PublishFunc(t.Context(), "room", serve("one", 3)); err != nil {
			t.Fatal(err)
		}
		dial(t, server, api.Lite06, mux)
		s := dial(t, server, api.Lite06, nil)
		await(t, announcements(t, s), "room", api.AnnouncementActive)
		other, err := s.Subscribe(t.Context(), "room", "video", &api.SubscribeConfig{Priority: 9})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if got := readAll(t, s, "room"); len(got) == 0 {
			t.Error("read nothing")
		}
	})
}
