package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
)

func nothing(api.TrackWriter) {}

func TestPublishTakesThePath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mux api.TrackMux // the zero value works
		ctx, cancel := context.WithCancelCause(t.Context())
		if err := mux.PublishFunc(ctx, "/room//1/", nothing); err != nil {
			t.Fatal(err)
		}
		if err := mux.PublishFunc(t.Context(), "room/1", nothing); !errors.Is(err, api.ErrDuplicatePath) {
			t.Errorf("published twice: %v", err)
		}
		life, _, err := mux.Handler("room/1/")
		if err != nil {
			t.Fatal(err)
		}
		over := errors.New("over")
		cancel(over)
		// As soon as its context is done, the path is free, and not found.
		if _, _, err := mux.Handler("room/1"); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("after its end: %v", err)
		}
		if err := mux.PublishFunc(t.Context(), "room/1", nothing); err != nil {
			t.Errorf("published again: %v", err)
		}
		if context.Cause(life) != over {
			t.Errorf("the publication ended with %v", context.Cause(life))
		}
		synctest.Wait()
		if _, _, err := mux.Handler("room/1"); err != nil {
			t.Errorf("the second publication went with the first: %v", err)
		}
	})
}

func TestPublishRefusesBadInput(t *testing.T) {
	mux := api.NewTrackMux()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"nil handler":  mux.Publish(t.Context(), "a", nil),
		"nil func":     mux.PublishFunc(t.Context(), "a", nil),
		"long path":    mux.PublishFunc(t.Context(), api.BroadcastPath(strings.Repeat("a/", 33)), nothing),
		"ended":        mux.PublishFunc(done, "a", nothing),
		"unknown path": mux.Update(api.Announcement{Path: "a"}),
	} {
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestPublishRefusesAsterisks, and names the segment. What others publish can
// still be passed on, and asked for.
func TestPublishRefusesAsterisks(t *testing.T) {
	mux := api.NewTrackMux()
	for _, path := range []api.BroadcastPath{"*", "room/cam-*-hd/1", "**"} {
		for name, err := range map[string]error{
			"Publish":      mux.Publish(t.Context(), path, api.TrackHandlerFunc(nothing)),
			"PublishFunc":  mux.PublishFunc(t.Context(), path, nothing),
			"PublishBelow": mux.PublishBelow(t.Context(), path, api.TrackHandlerFunc(nothing)),
		} {
			if err == nil {
				t.Errorf("%s %q: no error", name, path)
			}
		}
		if err := mux.Announce(t.Context(), api.Announcement{Path: path}, api.TrackHandlerFunc(nothing)); err != nil {
			t.Errorf("announce %q: %v", path, err)
		}
	}
	if err := mux.PublishFunc(t.Context(), "room/cam-*-hd/2", nothing); err == nil || !strings.Contains(err.Error(), `"cam-*-hd"`) {
		t.Errorf("%v: the segment is not named", err)
	}
}

func TestPublicationNumbersGroups(t *testing.T) {
	mux := api.NewTrackMux()
	if err := mux.PublishFunc(t.Context(), "a", nothing); err != nil {
		t.Fatal(err)
	}
	p, err := mux.Lookup("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, any := p.Latest("v"); any {
		t.Error("a track without groups has a latest")
	}
	first, second := p.NextGroup("v"), p.NextGroup("v")
	p.TakeGroup("v", 7)
	p.TakeGroup("v", 3)
	if third := p.NextGroup("v"); first != 0 || second != 1 || third != 8 {
		t.Errorf("numbers %d, %d, %d; want 0, 1, 8", first, second, third)
	}
	if latest, _ := p.Latest("v"); latest != 8 {
		t.Errorf("latest %d, want 8", latest)
	}
	if other := p.NextGroup("w"); other != 0 {
		t.Errorf("another track begins at %d", other)
	}
}

// TestReaderAgainstModel changes a set at random and checks what a reader that
// receives now and then gets: for each path always active, updated, ended, and
// at the end exactly what is there.
func TestReaderAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var set api.AnnouncementSet
		is := map[api.BroadcastPath]int{}
		reader := set.Reader("in")
		told := map[api.BroadcastPath]int{}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		read := func(most int) {
			for range most {
				a, err := reader.Receive(done)
				if errors.Is(err, context.Canceled) {
					return
				}
				_, known := told[a.Path]
				switch {
				case err != nil:
					t.Fatal(err)
				case known != (a.Status != api.AnnouncementActive):
					t.Fatalf("seed %d: told %v of %q, known: %v", seed, a.Status, a.Path, known)
				case a.Status == api.AnnouncementEnded:
					delete(told, a.Path)
				default:
					told[a.Path] = int(a.Warm)
				}
			}
		}
		for step := range 300 {
			path := api.BroadcastPath(fmt.Sprintf("in/%d", rng.IntN(6)))
			if rng.IntN(5) == 0 {
				path = "out" + path
			}
			_, live := is[path]
			switch n := rng.IntN(4); {
			case n == 0 && live:
				delete(is, path)
				set.Remove(path)
			case n == 1 && live:
				is[path] = step
				set.Update(api.Announcement{Path: path, Warm: uint64(step)})
			case n == 2:
				is[path] = step
				set.Put(api.Announcement{Path: path, Warm: uint64(step)})
			default:
				read(rng.IntN(3))
			}
		}
		read(1000)
		for path := range is {
			if !path.HasPrefix("in") {
				delete(is, path)
			}
		}
		if fmt.Sprint(is) != fmt.Sprint(told) {
			t.Fatalf("seed %d: told %v of %v", seed, told, is)
		}
	}
}

func TestReaderIsToldOfARestart(t *testing.T) {
	var set api.AnnouncementSet
	set.Put(api.Announcement{Path: "a"})
	r := set.Reader("")
	if a, _ := r.Receive(t.Context()); a.Status != api.AnnouncementActive {
		t.Fatal(a)
	}
	set.Remove("a")
	set.Put(api.Announcement{Path: "a"})
	set.End(nil)
	var statuses []api.AnnouncementStatus
	for a, err := range api.Announcements(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, a.Status)
	}
	if want := []api.AnnouncementStatus{api.AnnouncementEnded, api.AnnouncementActive}; !slices.Equal(statuses, want) {
		t.Errorf("told %v, want %v", statuses, want)
	}
	if _, err := r.Receive(t.Context()); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	_ = r.Close()
	if _, err := r.Receive(t.Context()); !errors.Is(err, api.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestStalledReaderHoldsNothingOfWhatHasGone makes many changes for a reader
// that never receives.
func TestStalledReaderHoldsNothingOfWhatHasGone(t *testing.T) {
	var set api.AnnouncementSet
	r := set.Reader("")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 200_000 {
		path := api.BroadcastPath(fmt.Sprint("flood/", i))
		set.Put(api.Announcement{Path: path})
		set.Remove(path)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d bytes are held of broadcasts that have gone", grown)
	}
	runtime.KeepAlive(r)
}

func TestBlockedReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set api.AnnouncementSet
		r := set.Reader("")
		ended := make(chan error)
		receive := func(ctx context.Context) {
			_, err := r.Receive(ctx)
			ended <- err
		}
		ctx, cancel := context.WithCancel(t.Context())
		go receive(ctx)
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("at the context's end: %v", err)
		}
		go receive(t.Context())
		synctest.Wait()
		_ = r.Close()
		if err := <-ended; !errors.Is(err, api.ErrClosed) {
			t.Errorf("at Close: %v", err)
		}
	})
}
