package api_test

import (
	"context"
	"errors"
	"testing"

	"github.com/moqlite/moqlite/api"
)

// publishedAt returns where the publication that serves a path is published,
// "-" for none.
func publishedAt(t *testing.T, mux *api.TrackMux, path api.BroadcastPath) api.BroadcastPath {
	t.Helper()
	p, err := mux.Lookup(path)
	if errors.Is(err, api.ErrNotFound) {
		return "-"
	}
	if err != nil {
		t.Fatal(err)
	}
	return p.Path()
}

// TestLongestPathAnswers: Publish serves only its path, PublishBelow also those
// below; the longest path wins.
func TestLongestPathAnswers(t *testing.T) {
	mux := api.NewTrackMux()
	handler := api.TrackHandlerFunc(nothing)
	inner, cancel := context.WithCancel(t.Context())
	for _, err := range []error{
		mux.PublishBelow(t.Context(), "room", handler),
		mux.PublishBelow(inner, "/room/inner/", handler),
		mux.Publish(t.Context(), "room/exact", handler),
		mux.Publish(t.Context(), "room/inner/exact", handler),
		mux.Publish(t.Context(), "hall", handler),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(want map[api.BroadcastPath]api.BroadcastPath) {
		t.Helper()
		for path, at := range want {
			if got := publishedAt(t, mux, path); got != at {
				t.Errorf("%q is answered for by %q, want %q", path, got, at)
			}
		}
	}
	check(map[api.BroadcastPath]api.BroadcastPath{
		"room":               "room",
		"room/x":             "room",
		"room//x/y/":         "room",
		"room/.stats/cpu":    "room",
		"room/exact":         "room/exact",
		"room/exact/x":       "room", // which is not the exact one's
		"room/inner":         "room/inner",
		"room/inner/x":       "room/inner",
		"room/inner/exact":   "room/inner/exact",
		"room/inner/exact/x": "room/inner",
		"room/innermost":     "room",
		"roomy":              "-",
		"hall":               "hall",
		"hall/x":             "-",
		"":                   "-",
	})
	cancel() // at once, whatever has yet to be removed
	check(map[api.BroadcastPath]api.BroadcastPath{
		"room/inner":         "room",
		"room/inner/x":       "room",
		"room/inner/exact":   "room/inner/exact",
		"room/inner/exact/x": "room",
	})
	if err := mux.PublishBelow(t.Context(), "", handler); err != nil {
		t.Fatal(err)
	}
	check(map[api.BroadcastPath]api.BroadcastPath{"": "", "roomy": "", "hall/x": "", "room/x": "room"})
}

// TestBroadcastsBelowHaveNumbersOfTheirOwn for each path and name, however
// often the path is looked up.
func TestBroadcastsBelowHaveNumbersOfTheirOwn(t *testing.T) {
	mux := api.NewTrackMux()
	if err := mux.PublishBelow(t.Context(), "room", api.TrackHandlerFunc(nothing)); err != nil {
		t.Fatal(err)
	}
	at := func(path api.BroadcastPath) *api.Publication {
		p, err := mux.Lookup(path)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	at("room").TakeGroup("video", 99)
	at("room/a").TakeGroup("video", 41)
	if _, some := at("room/b").Latest("video"); some {
		t.Error("a broadcast has groups which were another's")
	}
	if seq := at("room/a").NextGroup("video"); seq != 42 {
		t.Errorf("the group after 41 is %d", seq)
	}
	if seq := at("room/b").NextGroup("video"); seq != 0 {
		t.Errorf("another broadcast begins with group %d", seq)
	}
	if latest, _ := at("room/a").Latest("video"); latest != 42 {
		t.Errorf("the latest group is %d, want 42", latest)
	}
	if latest, _ := at("room").Latest("video"); latest != 99 {
		t.Errorf("the latest group of the broadcast above is %d, want 99", latest)
	}
}

// An each serves the paths below its own, each by a handler of its own.
type each struct {
	api.TrackHandler
	asked api.BroadcastPath
}

func (e each) Below(path api.BroadcastPath) api.TrackHandler { return each{e.TrackHandler, path} }

// TestAnnounceBelow announces a handler that is a BelowHandler.
func TestAnnounceBelow(t *testing.T) {
	mux := api.NewTrackMux()
	err := mux.Announce(t.Context(), api.Announcement{Path: "room"}, each{TrackHandler: api.TrackHandlerFunc(nothing)})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[api.BroadcastPath]api.BroadcastPath{"room": "", "room/a/b": "room/a/b"} {
		_, h, err := mux.Handler(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.(each).asked; got != want {
			t.Errorf("%q is handled by that of %q, want %q", path, got, want)
		}
	}
}
