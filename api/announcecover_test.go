package api_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/moqlite/moqlite/api"
)

// TestReadersBelowHearWhatCovers: what covers a prefix from above is told as a
// broadcast at the prefix, that of the longest path first; an announcement of
// the prefix itself takes its place.
func TestReadersBelowHearWhatCovers(t *testing.T) {
	var set api.AnnouncementSet
	r := set.Reader("a/b/c")
	put := func(path api.BroadcastPath, warm uint64) { set.Put(api.Announcement{Path: path, Warm: warm}) }
	check := func(what string, want ...string) {
		t.Helper()
		if got := drain(t, r); !slices.Equal(got, want) {
			t.Errorf("%s: told %q, want %q", what, got, want)
		}
	}
	put("a/bb", 1)
	put("a/b/cc", 1)
	put("b", 1)
	check("what is beside")
	put("a", 1)
	check("above", "active a/b/c 1")
	set.Update(api.Announcement{Path: "a", Warm: 2})
	check("an update", "updated a/b/c 2")
	put("", 3)
	check("a shorter one")
	put("a/b", 4)
	check("a longer one", "ended a/b/c 0", "active a/b/c 4")
	set.Update(api.Announcement{Path: "a", Warm: 9})
	check("an update of another")
	put("a/b/c/d", 5)
	put("a/b/c", 6)
	check("below and there", "active a/b/c/d 5", "ended a/b/c 0", "active a/b/c 6")
	set.Remove("a/b")
	put("a/b", 7)
	check("changes above what is there")
	set.Remove("a/b/c")
	check("not there any more", "ended a/b/c 0", "active a/b/c 7")
	set.Put(api.Announcement{Path: "a/b", Warm: 8})
	check("replaced", "ended a/b/c 0", "active a/b/c 8")
	set.Remove("a")
	set.Remove("a/b")
	check("the shortest is left", "ended a/b/c 0", "active a/b/c 3")
	set.Clear()
	check("nothing is left", "ended a/b/c 0", "ended a/b/c/d 0")
}

// TestUnseenCoversAreNotTold has a reader that receives only now and then.
func TestUnseenCoversAreNotTold(t *testing.T) {
	var set api.AnnouncementSet
	set.Complete()
	set.Put(api.Announcement{Path: "a", Warm: 1})
	r := set.Reader("a/b")
	set.Put(api.Announcement{Path: "a/b/c", Warm: 2})
	if got, want := drain(t, r), []string{"active a/b 1", "complete  0", "active a/b/c 2"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	for i := range uint64(100) {
		set.Put(api.Announcement{Path: "a/b", Warm: i})
		set.Remove("a/b")
		set.Update(api.Announcement{Path: "a", Warm: i})
	}
	if got, want := drain(t, r), []string{"ended a/b 0", "active a/b 99"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	for range 100 {
		set.Remove("a")
		set.Put(api.Announcement{Path: "a", Warm: 7})
	}
	if got, want := drain(t, r), []string{"ended a/b 0", "active a/b 7"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	_ = r.Close()
	set.Clear()
}

// TestExactPublicationsCoverNothing: a mux knows which of its handlers serve
// the paths below, and All agrees with the readers.
func TestExactPublicationsCoverNothing(t *testing.T) {
	mux := api.NewTrackMux()
	handler := api.TrackHandlerFunc(nothing)
	inner, cancel := context.WithCancel(t.Context())
	for _, err := range []error{
		mux.Publish(t.Context(), "exact", handler),
		mux.PublishBelow(t.Context(), "room", handler),
		mux.Publish(t.Context(), "room/exact", handler),
		mux.PublishBelow(inner, "room/inner", handler),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(prefix string) (published []api.BroadcastPath) {
		t.Helper()
		var all []string
		for a := range mux.All(prefix) {
			all = append(all, fmt.Sprint("active ", a.Path, " 0"))
			published = append(published, a.Publication.Path())
		}
		r, err := mux.Announcements(t.Context(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if told := drain(t, r); !slices.Equal(told, append(all, "complete  0")) {
			t.Errorf("below %q are told %q, and all are %q", prefix, told, all)
		}
		return published
	}
	check := func(want map[string][]api.BroadcastPath) {
		t.Helper()
		for prefix, paths := range want {
			if got := at(prefix); !slices.Equal(got, paths) {
				t.Errorf("below %q is what is published at %q, want %q", prefix, got, paths)
			}
		}
	}
	check(map[string][]api.BroadcastPath{
		"exact/x":        nil,
		"roomy":          nil,
		"room/x":         {"room"},
		"room/.stats":    {"room"},
		"room/exact":     {"room/exact"},
		"room/exact/x":   {"room"},
		"room/inner":     {"room/inner"},
		"room/inner/x/y": {"room/inner"},
	})
	cancel() // whatever has yet to be removed
	for range mux.All("room/inner/x/y") {
		break
	}
	if err := mux.PublishBelow(t.Context(), "room/inner/x", handler); err != nil {
		t.Fatal(err)
	}
	check(map[string][]api.BroadcastPath{"room/inner/x/y": {"room/inner/x"}})
}
