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
)

// echo returns a handler whose groups tell who has served which path; it has a
// description, and one group to be fetched.
func echo(who string, groups int) api.TrackFuncs {
	return api.TrackFuncs{
		Serve: func(w api.TrackWriter) { serve(who+" "+string(w.Request().Path), groups)(w) },
		Info: func(_ context.Context, req api.TrackRequest) (api.TrackInfo, error) {
			return api.TrackInfo{Timescale: uint64(len(req.Path))}, nil
		},
		Fetch: func(w api.GroupWriter, req api.FetchRequest) {
			_ = w.WriteFrame(api.Frame{Timestamp: 7, Payload: fmt.Appendf(nil, "%s %s %d", who, req.Path, req.Group)})
			_ = w.Close()
		},
	}
}

// behind starts a relay that follows the announcements of another one.
func behind(t *testing.T, v api.Version, first *moqtest.Server) *moqtest.Server {
	t.Helper()
	server, r := startRelay()
	upstream := dial(t, first, v, r.Mux())
	go r.Handler(upstream)
	return server
}

// TestPathsBelow requests, through two relays, paths that no publisher has
// announced. The longest announced path above each covers it.
func TestPathsBelow(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, _ := startRelay()
				defer first.Close()
				outer, inner := api.NewTrackMux(), api.NewTrackMux()
				_ = outer.PublishBelow(t.Context(), "room", echo("outer", 2))
				_ = inner.PublishBelow(t.Context(), "room/inner", echo("inner", 2))
				dial(t, first, v, outer)
				dial(t, first, v, inner)
				second := behind(t, v, first)
				defer second.Close()
				s := dial(t, second, v, api.NewTrackMux())
				time.Sleep(time.Second)
				for path, who := range map[api.BroadcastPath]string{
					"room":             "outer",
					"room/a":           "outer",
					"room/a/b":         "outer",
					"room/.hidden/cpu": "outer",
					"room/inner":       "inner",
					"room/inner/a":     "inner",
					"room/innermost":   "outer",
				} {
					want := []string{fmt.Sprintf("%s %s 0", who, path), fmt.Sprintf("%s %s 1", who, path)}
					if got := readAll(t, s, path); !slices.Equal(got, want) {
						t.Errorf("%q has %q, want %q", path, got, want)
					}
					if v == api.Lite03 || v == api.Lite04 {
						continue
					}
					if info, err := s.TrackInfo(t.Context(), path, "video"); err != nil || info.Timescale != uint64(len(path)) {
						t.Errorf("%q is described as %+v, %v", path, info, err)
					}
					fetched, err := fetchOne(t, s, path, 5)
					if want := fmt.Sprintf("%s %s 5", who, path); err != nil || fetched != want {
						t.Errorf("fetched %q, %v of %q, want %q", fetched, err, path, want)
					}
				}
				if err := refusal(t, s, "roomy"); !errors.Is(err, api.ErrNotFound) {
					t.Errorf("what nothing covers ends with %v, want not found", err)
				}
			})
		})
	}
}

func fetchOne(t *testing.T, s api.Session, path api.BroadcastPath, seq api.GroupSequence) (string, error) {
	t.Helper()
	g, err := s.Fetch(t.Context(), api.FetchRequest{Path: path, Name: "video", Group: seq})
	if err != nil {
		return "", err
	}
	var f api.Frame
	err = g.ReadFrame(&f)
	return string(f.Payload), err
}

// refusal returns how a subscription is refused, whether the version does so at
// once or at the first read.
func refusal(t *testing.T, s api.Session, path api.BroadcastPath) error {
	t.Helper()
	r, err := s.Subscribe(t.Context(), path, "video", nil)
	if err != nil {
		return err
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = r.AcceptGroup(ctx)
	return err
}

// TestExactPublisherRefusesBelow: the refusal of a publisher that only serves
// its path is passed on.
func TestExactPublisherRefusesBelow(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, _ := startRelay()
				defer first.Close()
				mux := api.NewTrackMux()
				asked := make(chan api.BroadcastPath, 10)
				_ = mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) { asked <- w.Request().Path })
				dial(t, first, v, mux)
				second := behind(t, v, first)
				defer second.Close()
				s := dial(t, second, v, api.NewTrackMux())
				time.Sleep(time.Second)
				if err := refusal(t, s, "room/x"); !errors.Is(err, api.ErrNotFound) {
					t.Errorf("a path below a broadcast ends with %v, want not found", err)
				}
				if len(asked) > 0 {
					t.Errorf("%q was asked for", <-asked)
				}
			})
		})
	}
}

// TestBelowIsShared: many viewers of one path below share a subscription, and
// each path has one of its own.
func TestBelowIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		mux := api.NewTrackMux()
		serving := make(chan api.BroadcastPath, 10)
		_ = mux.PublishBelow(t.Context(), "room", api.TrackHandlerFunc(func(w api.TrackWriter) {
			path := w.Request().Path
			serving <- path
			for w.Context().Err() == nil {
				serve(string(path), 1)(w)
				time.Sleep(100 * time.Millisecond)
			}
			serving <- "end of " + path
		}))
		dial(t, server, api.Lite06, mux)
		time.Sleep(time.Second)
		var readers []api.TrackReader
		for _, path := range []api.BroadcastPath{"room/a", "room/b", "room/a", "room/b"} {
			s := dial(t, server, api.Lite06, api.NewTrackMux())
			r, err := s.Subscribe(t.Context(), path, "video", nil)
			if err != nil {
				t.Fatal(err)
			}
			readers = append(readers, r)
			g, err := r.AcceptGroup(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var f api.Frame
			if err := g.ReadFrame(&f); err != nil || string(f.Payload) != fmt.Sprint(path, " ", g.Sequence()) || g.Sequence() > 20 {
				t.Errorf("group %d of %q has %q, %v", g.Sequence(), path, f.Payload, err)
			}
		}
		if a, b := <-serving, <-serving; a != "room/a" || b != "room/b" || len(serving) != 0 {
			t.Errorf("served are %q, %q and %d more", a, b, len(serving))
		}
		for _, r := range readers {
			_ = r.Close()
		}
		time.Sleep(5 * time.Second)
		if len(serving) != 2 {
			t.Errorf("of two subscriptions upstream that nobody needs, %d have ended", len(serving))
		}
	})
}

// TestProgramBelow: the program of a relay serves paths below one of its own,
// and a session those below a longer one.
func TestProgramBelow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, r := startRelay()
		defer server.Close()
		own, cancel := context.WithCancel(t.Context())
		_ = r.Mux().PublishBelow(own, "room", echo("program", 1))
		mux := api.NewTrackMux()
		_ = mux.PublishBelow(t.Context(), "room", echo("session", 1))
		_ = mux.PublishBelow(t.Context(), "room/inner", echo("session", 1))
		dial(t, server, api.Lite06, mux)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		time.Sleep(time.Second)
		check := func(path api.BroadcastPath, who string) {
			t.Helper()
			if got, want := readAll(t, s, path), []string{fmt.Sprintf("%s %s 0", who, path)}; !slices.Equal(got, want) {
				t.Errorf("%q has %q, want %q", path, got, want)
			}
		}
		check("room/a", "program")
		check("room/inner/a", "session")
		cancel()
		time.Sleep(time.Second)
		check("room/a", "session")
	})
}

// TestBelowChangesRoutes: a path below continues by another session of the same
// publisher when its session is lost.
func TestBelowChangesRoutes(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				c := newCamera(t, t.Context(), 100)
				c.mux = api.NewTrackMux()
				_ = c.mux.PublishBelow(t.Context(), "room", &c.broadcast)
				sessions := []api.Session{c.connect(t, server, v), c.connect(t, server, v)}
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				r, err := s.Subscribe(t.Context(), "room/below", "video", nil)
				if err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(2*time.Second, func() {
					for _, session := range sessions {
						if session.Stats().Publications > 0 {
							_ = session.Terminate(api.SessionNoError, "gone")
							return
						}
					}
					t.Error("nobody serves the path below")
				})
				seen, err := numbers(t, r)
				slices.Sort(seen)
				if err != nil || len(seen) == 0 || seen[len(seen)-1] != 99 || len(seen) < 85 {
					t.Errorf("got %d groups up to the last, %v: %v", len(seen), seen, err)
				}
			})
		})
	}
}
