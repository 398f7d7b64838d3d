package impl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestPublishBelow subscribes to paths that were never published: the handler
// of a publication above gets the request, which has the path.
func TestPublishBelow(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		answers := func(who string) api.TrackFuncs {
			return api.TrackFuncs{
				Serve: func(w api.TrackWriter) {
					g, err := w.OpenGroup(w.Context())
					if err != nil {
						return
					}
					_ = g.WriteFrame(api.Frame{Payload: fmt.Appendf(nil, "%s %s %d", who, w.Request().Path, g.Sequence())})
					_ = g.Close()
				},
				Info: func(_ context.Context, req api.TrackRequest) (api.TrackInfo, error) {
					return api.TrackInfo{Timescale: uint64(len(req.Path))}, nil
				},
				Fetch: func(w api.GroupWriter, req api.FetchRequest) {
					_ = w.WriteFrame(api.Frame{Payload: fmt.Appendf(nil, "%s %s", who, req.Path)})
					_ = w.Close()
				},
			}
		}
		for _, err := range []error{
			mux.PublishBelow(t.Context(), "room", answers("outer")),
			mux.PublishBelow(t.Context(), "room/inner", answers("inner")),
			mux.Publish(t.Context(), "hall", answers("hall")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for path, who := range map[api.BroadcastPath]string{
			"room":            "outer",
			"room/a":          "outer",
			"room/b":          "outer", // with numbers of its own
			"room/.stats/cpu": "outer",
			"room/inner/a":    "inner",
			"hall":            "hall",
		} {
			askBelow(t, s, path, who)
		}
		for _, path := range []api.BroadcastPath{"hall/a", "roomy"} {
			r, err := s.Subscribe(t.Context(), path, "video", nil)
			if err == nil {
				_, err = r.AcceptGroup(t.Context())
			}
			if !errors.Is(err, api.ErrNotFound) {
				t.Errorf("a subscription to %q ends with %v, want not found", path, err)
			}
		}
	})
}

// askBelow checks which handler answers a subscription, a track info request
// and a fetch for a path.
func askBelow(t *testing.T, s api.Session, path api.BroadcastPath, who string) {
	t.Helper()
	r, err := s.Subscribe(t.Context(), path, "video", nil)
	if err != nil {
		t.Fatalf("subscribe to %q: %v", path, err)
	}
	if got, want := readAll(t, r), fmt.Sprintf(" %s %s 0", who, path); len(got) != 1 || !strings.HasSuffix(got[0], want) {
		t.Errorf("%q has %q, want one that ends with %q", path, got, want)
	}
	info, err := s.TrackInfo(t.Context(), path, "video")
	if err == nil && info.Timescale != uint64(len(path)) || err != nil && !errors.Is(err, api.ErrNotSupported) {
		t.Errorf("%q is described as %+v, %v", path, info, err)
	}
	g, err := s.Fetch(t.Context(), api.FetchRequest{Path: path, Name: "video", Group: 3})
	if errors.Is(err, api.ErrNotSupported) {
		return
	}
	if err != nil {
		t.Fatalf("fetch from %q: %v", path, err)
	}
	var f api.Frame
	if err := g.ReadFrame(&f); err != nil || string(f.Payload) != who+" "+string(path) {
		t.Errorf("fetched %q, %v from %q, want that of %s", f.Payload, err, path, who)
	}
}

// TestAnnouncedBelow checks that an interest below a publication gets its
// announcement if the publication answers there, and none if it does not.
func TestAnnouncedBelow(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		below, exact, above := interested(t, s, "room/cam/x"), interested(t, s, "hall/x"), interested(t, s, "room")
		outer, endOuter := context.WithCancel(t.Context())
		inner, endInner := context.WithCancel(t.Context())
		for _, err := range []error{
			mux.PublishBelow(outer, "room", api.TrackHandlerFunc(nothing)),
			mux.Publish(t.Context(), "hall", api.TrackHandlerFunc(nothing)),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		below.expect("room/cam/x")
		exact.expect()
		above.expect("room")
		interested(t, s, "room/.stats").expect("room/.stats")
		for i, path := range []api.BroadcastPath{"room/cam", "room/cam/x", "room/cam/x/y"} {
			if err := mux.PublishBelow(inner, path, api.TrackHandlerFunc(nothing)); err != nil {
				t.Fatal(err)
			}
			below.expect([][]api.BroadcastPath{{"room/cam/x"}, {"room/cam/x"}, {"room/cam/x", "room/cam/x/y"}}[i]...)
		}
		if below.steps != 6 {
			t.Errorf("%d changes were told, want a beginning, two that take its place, and one below", below.steps)
		}
		endInner()
		below.expect("room/cam/x")
		endOuter()
		below.expect()
	})
}

// TestAnnouncedAtTheRoot checks that a client whose root is below a
// publication gets an announcement of its root, and subscribes there.
func TestAnnouncedAtTheRoot(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} { // that carry a path in memory
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := api.NewTrackMux()
				if err := mux.PublishBelow(t.Context(), "room", api.TrackHandlerFunc(echo)); err != nil {
					t.Fatal(err)
				}
				server := moqtest.NewServer(mux)
				defer server.Close()
				c := server.Client()
				c.Config = &api.Config{Versions: []api.Version{v}}
				s, err := c.Dial(t.Context(), server.URL+"/room/cam", api.NewTrackMux())
				if err != nil {
					t.Fatal(err)
				}
				interested(t, s, "").expect("")
				interested(t, s, "x/y").expect("x/y")
				r, err := api.SubscribeWhenAnnounced(t.Context(), s, "x/y", "video", nil)
				if err != nil {
					t.Fatal(err)
				}
				g, err := r.AcceptGroup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var f api.Frame
				if err := g.ReadFrame(&f); err != nil || string(f.Payload) != "room/cam/x/y" {
					t.Errorf("read %q, %v", f.Payload, err)
				}
			})
		})
	}
}
