package api_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
)

// drain receives what is there, and returns a line of status, path and warm
// cost for each.
func drain(t *testing.T, r api.AnnouncementReader) (lines []string) {
	t.Helper()
	now, cancel := context.WithCancel(t.Context())
	cancel()
	for a, err := range api.Announcements(now, r) {
		if errors.Is(err, context.Canceled) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(a.Status, " ", a.Path, " ", a.Warm))
	}
	return lines
}

func TestSetTellsInOrder(t *testing.T) {
	var set api.AnnouncementSet
	r := set.Reader("")
	put := func(path api.BroadcastPath, warm uint64) { set.Put(api.Announcement{Path: path, Warm: warm}) }
	check := func(want ...string) {
		t.Helper()
		if got := drain(t, r); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	put("a", 1)
	put("b", 1)
	put("c", 1)
	set.Remove("b") // unseen
	set.Update(api.Announcement{Path: "a", Warm: 2})
	check("active a 2", "active c 1")

	set.Update(api.Announcement{Path: "c", Warm: 2})
	put("d", 1)
	set.Complete()
	set.Update(api.Announcement{Path: "c", Warm: 3}) // with the first
	set.Update(api.Announcement{Path: "a", Warm: 3})
	put("e", 1)
	check("updated c 3", "active d 1", "complete  0", "updated a 3", "active e 1")

	set.Update(api.Announcement{Path: "a", Warm: 3}) // nothing new
	check()
	set.Update(api.Announcement{Path: "a", Warm: 4})
	put("a", 5)
	set.Update(api.Announcement{Path: "a", Warm: 6})
	check("ended a 0", "active a 6")
	set.Clear()
	put("a", 7)
	check("ended c 0", "ended d 0", "ended e 0", "ended a 0", "active a 7")
	if n := set.Len(); n != 1 {
		t.Errorf("%d in the set", n)
	}
}

func TestAddReplacesNothing(t *testing.T) {
	var set api.AnnouncementSet
	r := set.Reader("")
	if !set.Add(api.Announcement{Path: "/a/", Warm: 1}) || set.Add(api.Announcement{Path: "a", Warm: 2}) {
		t.Error("added where there is one, or not where there is none")
	}
	if got := drain(t, r); !slices.Equal(got, []string{"active a 1"}) {
		t.Errorf("told %q", got)
	}
}

// TestHopsAreTheSetsOwn writes to what was put in, and appends to what comes
// out.
func TestGrowLosesNothing(t *testing.T) {
	var set api.AnnouncementSet
	set.Grow(10)
	set.Put(api.Announcement{Path: "a"})
	set.Grow(1000)
	if set.Len() != 1 || set.Add(api.Announcement{Path: "a"}) {
		t.Errorf("%d broadcasts after room was made", set.Len())
	}
}

// TestAllIsWhatThereIs below a prefix, except what is hidden. What is added
// during the iteration is not in it, nor what was removed long ago.
func TestAllIsWhatThereIs(t *testing.T) {
	var set api.AnnouncementSet
	var want []string
	for i := range 100 {
		path := fmt.Sprintf("room/%02d", i)
		set.Put(api.Announcement{Path: api.BroadcastPath(path)})
		if i != 70 {
			want = append(want, path)
		}
	}
	set.Put(api.Announcement{Path: "room/.hidden"})
	set.Put(api.Announcement{Path: "elsewhere"})
	all := set.All("room")
	for range 2 {
		var got []string
		for a := range all {
			if a.Status != api.AnnouncementActive {
				t.Errorf("%s is %v", a.Path, a.Status)
			}
			if len(got) == 0 {
				set.Remove("room/70")
				set.Add(api.Announcement{Path: "room/later"})
			}
			got = append(got, string(a.Path))
		}
		if !slices.Equal(got, want) {
			t.Errorf("saw %q, want %q", got, want)
		}
		want = append(want, "room/later")
	}
	for range all {
		break
	}
	set.Put(api.Announcement{Path: "room/last"}) // which nobody follows any more
}

func TestHopsAreTheSetsOwn(t *testing.T) {
	var set api.AnnouncementSet
	hops := []api.Hop{1, 2}
	set.Put(api.Announcement{Path: "a", Hops: hops})
	set.Put(api.Announcement{Path: "b", Hops: hops})
	hops[0] = 9
	r := set.Reader("")
	for range 2 {
		a, err := r.Receive(t.Context())
		if err != nil || !slices.Equal(a.Hops, []api.Hop{1, 2}) {
			t.Errorf("hops %v, %v", a.Hops, err)
		}
		_ = append(a.Hops, 3)[:2]
		_ = append(a.Hops, 4)
	}
}

func TestMuxListsNothingHidden(t *testing.T) {
	mux := api.NewTrackMux()
	for _, path := range []api.BroadcastPath{".a", "b/.c/d", "b/e.f", "b/.c/.g"} {
		if err := mux.PublishFunc(t.Context(), path, nothing); err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string][]string{
		"":         {"active b/e.f 0", "complete  0"},
		"b":        {"active b/e.f 0", "complete  0"},
		"b/.c":     {"active b/.c/d 0", "complete  0"},
		"/b/.c/.g": {"active b/.c/.g 0", "complete  0"},
		".a":       {"active .a 0", "complete  0"},
	} {
		r, err := mux.Announcements(t.Context(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		if got := drain(t, r); !slices.Equal(got, want) {
			t.Errorf("below %q are %q, want %q", prefix, got, want)
		}
	}
}

// TestOneContextEndsMany publications, and no others.
func TestOneContextEndsMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 10_000
		mux := api.NewTrackMux()
		ctx, cancel := context.WithCancel(t.Context())
		for i := range many {
			if err := mux.PublishFunc(ctx, api.BroadcastPath(fmt.Sprint("ends/", i)), nothing); err != nil {
				t.Fatal(err)
			}
		}
		if err := mux.PublishFunc(context.Background(), "stays", nothing); err != nil {
			t.Fatal(err)
		}
		r, err := mux.Announcements(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if got := len(drain(t, r)); got != many+2 {
			t.Errorf("told of %d", got)
		}
		before := runtime.NumGoroutine()
		cancel()
		if n := runtime.NumGoroutine() - before; n > 10 {
			t.Errorf("%d goroutines end the publications", n)
		}
		if err := mux.PublishFunc(t.Context(), "ends/7", nothing); err != nil {
			t.Errorf("the path is not free: %v", err)
		}
		synctest.Wait()
		if got := len(drain(t, r)); got != many+1 {
			t.Errorf("told of %d changes, want the ends and a beginning", got)
		}
		if _, err := mux.Lookup("ends/7"); err != nil {
			t.Error(err)
		}
	})
}

// TestReadersHoldNothingOfWhatTheyWereTold, however many there are.
func TestReadersHoldNothingOfWhatTheyWereTold(t *testing.T) {
	var set api.AnnouncementSet
	for i := range 10_000 {
		set.Put(api.Announcement{Path: api.BroadcastPath(fmt.Sprint("room/", i))})
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	readers := make([]api.AnnouncementReader, 10)
	for i := range readers {
		readers[i] = set.Reader("room")
		for range 10_000 {
			if _, err := readers[i].Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<10 {
		t.Errorf("%d bytes are held of what was told", grown)
	}
	runtime.KeepAlive(readers)
}
