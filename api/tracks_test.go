package api_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// served returns a broadcast of a track that can do everything, and of one that
// can only be subscribed to.
func served() api.Tracks {
	write := func(w api.TrackWriter) {
		_ = api.WriteGroup(w.Context(), w, apitest.Frames(string(w.Request().Name))...)
	}
	return api.Tracks{
		"all": api.TrackFuncs{
			Serve: write,
			Info: func(context.Context, api.TrackRequest) (api.TrackInfo, error) {
				return api.TrackInfo{Priority: 3}, nil
			},
			Fetch: func(w api.GroupWriter, _ api.FetchRequest) {
				_ = w.WriteFrame(api.Frame{Payload: []byte("fetched")})
				_ = w.Close()
			},
		},
		"plain": api.TrackHandlerFunc(write),
		"none":  nil,
	}
}

// TestTracks asks for tracks that are there and others, in every version.
func TestTracks(t *testing.T) {
	for _, version := range api.Versions() {
		t.Run(string(version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testTracks(t, version) })
		})
	}
}

func testTracks(t *testing.T, version api.Version) {
	mux := api.NewTrackMux()
	if err := mux.Publish(t.Context(), "room", served()); err != nil {
		t.Fatal(err)
	}
	server := moqtest.NewUnstartedServer(mux)
	server.Config.Config = &api.Config{Versions: []api.Version{version}}
	server.Start()
	defer server.Close()
	s, err := server.Client().Dial(t.Context(), server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []api.TrackName{"all", "plain", "none", "other"} {
		r, err := s.Subscribe(t.Context(), "room", name, &api.SubscribeConfig{StartGroup: api.GroupLatest})
		if name == "none" || name == "other" {
			if !errors.Is(err, api.ErrNotFound) {
				t.Errorf("subscribing to %q: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("subscribing to %q: %v", name, err)
		}
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var f api.Frame
		if err := g.ReadFrame(&f); err != nil || string(f.Payload) != string(name) {
			t.Errorf("%q: %q, %v", name, f.Payload, err)
		}
		_ = r.Close()
	}
	if version == api.Lite03 || version == api.Lite04 {
		return
	}
	for name, want := range map[api.TrackName]api.Priority{"all": 3, "plain": 0} {
		if info, err := s.TrackInfo(t.Context(), "room", name); err != nil || info.Priority != want {
			t.Errorf("%q: %+v, %v", name, info, err)
		}
	}
	for _, name := range []api.TrackName{"none", "other"} {
		if _, err := s.TrackInfo(t.Context(), "room", name); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("describing %q: %v", name, err)
		}
	}
	for _, name := range []api.TrackName{"plain", "none", "other"} {
		if _, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: name}); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("fetching of %q: %v", name, err)
		}
	}
	g, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "all"})
	if err != nil {
		t.Fatal(err)
	}
	var f api.Frame
	if err := g.ReadFrame(&f); err != nil || string(f.Payload) != "fetched" {
		t.Errorf("%q, %v", f.Payload, err)
	}
	if err := g.ReadFrame(&f); err != io.EOF {
		t.Errorf("after the frame: %v", err)
	}
	_ = server.Client().Close()
}

// newest is a handler that knows its newest group.
type newest struct{ api.TrackHandlerFunc }

func (newest) LatestGroup(api.TrackName) (api.GroupSequence, bool) { return 7, true }

// TestTracksKnowTheNewest: of tracks side by side, each finds the newest group
// as it would by itself.
func TestTracksKnowTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := make(chan api.GroupSequence, 1)
		serve := func(w api.TrackWriter) { starts <- w.Request().Config.StartGroup }
		mux := api.NewTrackMux()
		if err := mux.Publish(t.Context(), "room", api.Tracks{"knows": newest{serve}, "plain": api.TrackHandlerFunc(serve)}); err != nil {
			t.Fatal(err)
		}
		server := moqtest.NewServer(mux)
		defer server.Close()
		client := &impl.Client{Transport: server.Network, Config: &api.Config{Versions: []api.Version{api.Lite05}}}
		defer client.Close()
		s, err := client.Dial(t.Context(), server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[api.TrackName]api.GroupSequence{"knows": 7, "plain": 0} {
			if _, err := s.Subscribe(t.Context(), "room", name, &api.SubscribeConfig{StartGroup: api.GroupLatest}); err != nil {
				t.Fatal(err)
			}
			if got := <-starts; got != want {
				t.Errorf("%q begins at %d, want %d", name, got, want)
			}
		}
	})
}
