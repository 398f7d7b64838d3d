package impl_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// fetchable publishes "room" with a track "video" whose group 3 has four
// frames, f0 to f3, with timestamps from 100 on.
func fetchable(t *testing.T, mux *api.TrackMux) {
	t.Helper()
	err := mux.Publish(t.Context(), "room", api.TrackFuncs{Fetch: func(w api.GroupWriter, req api.FetchRequest) {
		if req.Name != "video" || req.Group != 3 {
			w.Cancel(api.StreamNotFound)
			return
		}
		for i := range uint64(4) {
			if w.WriteFrame(api.Frame{Timestamp: 100 + i, Payload: fmt.Appendf(nil, "f%d", i)}) != nil {
				return
			}
		}
		_ = w.Close()
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// frames reads a group to its end.
func frames(t *testing.T, g api.GroupReader) string {
	t.Helper()
	var all []string
	for f, err := range api.Frames(t.Context(), g, new(api.Frame)) {
		if err != nil {
			t.Fatalf("after %v: %v", all, err)
		}
		all = append(all, fmt.Sprintf("%d:%s", f.Timestamp, f.Payload))
	}
	return strings.Join(all, " ")
}

// inVersions runs a test with each of the given versions.
func inVersions(t *testing.T, versions []api.Version, f func(t *testing.T, mux *api.TrackMux, s api.Session)) {
	for _, v := range versions {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := api.NewTrackMux()
				server := moqtest.NewServer(mux)
				defer server.Close()
				f(t, mux, dial(t, server, v, api.NewTrackMux()))
			})
		})
	}
}

var withFetch, withoutFetch = []api.Version{api.Lite05, api.Lite06}, []api.Version{api.Lite03, api.Lite04}

func TestFetch(t *testing.T) {
	inVersions(t, withFetch, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		fetchable(t, mux)
		g, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: 3})
		if err != nil {
			t.Fatal(err)
		}
		if got := frames(t, g); g.Sequence() != 3 || g.FirstFrame() != 0 || got != "100:f0 101:f1 102:f2 103:f3" {
			t.Errorf("group %d from %d: %s", g.Sequence(), g.FirstFrame(), got)
		}
		for name, req := range map[string]api.FetchRequest{
			"no such broadcast": {Path: "nowhere", Name: "video", Group: 3},
			"no such track":     {Path: "room", Name: "audio", Group: 3},
			"no such group":     {Path: "room", Name: "video", Group: 4},
		} {
			if _, err := s.Fetch(t.Context(), req); !errors.Is(err, api.ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", name, err)
			}
		}
	})
}

func TestFetchIsNotSupportedBefore05(t *testing.T) {
	inVersions(t, withoutFetch, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		fetchable(t, mux)
		if _, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: 3}); !errors.Is(err, api.ErrNotSupported) {
			t.Errorf("%v, want ErrNotSupported", err)
		}
	})
}

func TestFetchWithinFrameBounds(t *testing.T) {
	tests := []struct {
		start, end uint64
		want       string
	}{
		{0, 2, "100:f0 101:f1"},
		{2, 0, "102:f2 103:f3"},
		{1, 3, "101:f1 102:f2"},
		{3, 9, "103:f3"},
		{7, 0, ""},
	}
	inVersions(t, []api.Version{api.Lite06}, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		fetchable(t, mux)
		for _, test := range tests {
			g, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: 3, StartFrame: test.start, EndFrame: test.end})
			if err != nil {
				t.Fatal(err)
			}
			if got := frames(t, g); got != test.want || g.FirstFrame() != test.start {
				t.Errorf("[%d, %d): %q from %d, want %q", test.start, test.end, got, g.FirstFrame(), test.want)
			}
		}
		if _, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: 3, StartFrame: 3, EndFrame: 2}); err == nil {
			t.Error("an end before the start was accepted")
		}
	})
	inVersions(t, []api.Version{api.Lite05}, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		fetchable(t, mux)
		if _, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: 3, StartFrame: 1}); !errors.Is(err, api.ErrNotSupported) {
			t.Errorf("frame bounds: %v, want ErrNotSupported", err)
		}
	})
}

// TestFetchStreams reads the answer while it is being written.
func TestFetchStreams(t *testing.T) {
	inVersions(t, withFetch, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		next := make(chan struct{})
		_ = mux.Publish(t.Context(), "room", api.TrackFuncs{Fetch: func(w api.GroupWriter, req api.FetchRequest) {
			for i := range uint64(3) {
				<-next
				_ = w.WriteFrame(api.Frame{Timestamp: i, Payload: []byte("x")})
			}
			<-next
			_ = w.Close()
		}})
		go func() { next <- struct{}{} }()
		g, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(3) {
			var f api.Frame
			if err := g.ReadFrame(&f); err != nil || f.Timestamp != i {
				t.Fatalf("frame %d: %v, %v", i, f, err)
			}
			next <- struct{}{}
		}
		if err := g.ReadFrame(new(api.Frame)); err != io.EOF {
			t.Errorf("after the last: %v", err)
		}
	})
}

func TestFetchIsGivenUp(t *testing.T) {
	inVersions(t, withFetch, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		ended := make(chan error, 2)
		_ = mux.Publish(t.Context(), "room", api.TrackFuncs{Fetch: func(w api.GroupWriter, req api.FetchRequest) {
			if req.Group == 1 {
				_ = w.WriteFrame(api.Frame{Payload: []byte("x")})
			}
			<-w.Context().Done()
			ended <- context.Cause(w.Context())
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Fetch(ctx, api.FetchRequest{Path: "room", Name: "video"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an unanswered fetch: %v, want its context's end", err)
		}
		expectStreamError(t, "its handler", <-ended, api.StreamCancelled, true)

		g, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: 1})
		if err != nil {
			t.Fatal(err)
		}
		g.Cancel(api.StreamCancelled)
		expectStreamError(t, "the handler of a cancelled fetch", <-ended, api.StreamCancelled, true)
		if err := g.ReadFrame(new(api.Frame)); !errors.Is(err, api.ErrClosed) {
			t.Errorf("read after Cancel: %v, want ErrClosed", err)
		}
	})
}

// TestFetchHandlerThatFails checks what the reader learns of how the handler
// ended.
func TestFetchHandlerThatFails(t *testing.T) {
	tests := []struct {
		name  string
		serve func(w api.GroupWriter)
		code  api.StreamErrorCode
	}{
		{"cancels", func(w api.GroupWriter) { w.Cancel(api.StreamEvicted) }, api.StreamEvicted},
		{"returns before Close", func(w api.GroupWriter) {}, api.StreamCancelled},
		{"panics", func(w api.GroupWriter) { panic("deliberate") }, api.StreamInternal},
		{"skips what is wanted", func(w api.GroupWriter) { _ = w.SkipFrames(1) }, api.StreamNotFound},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inVersions(t, withFetch, func(t *testing.T, mux *api.TrackMux, s api.Session) {
				_ = mux.Publish(t.Context(), "room", api.TrackFuncs{Fetch: func(w api.GroupWriter, _ api.FetchRequest) { test.serve(w) }})
				_, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video"})
				expectStreamError(t, "fetch", err, test.code, true)
			})
		})
	}
}

// TestManyFetches checks that thousands of fetches leave nothing behind.
func TestManyFetches(t *testing.T) {
	inVersions(t, withFetch, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		fetchable(t, mux)
		for range 10_000 {
			g, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: 3})
			if err != nil {
				t.Fatal(err)
			}
			for g.ReadFrame(new(api.Frame)) == nil {
			}
		}
		synctest.Wait()
		if stats := s.Stats(); stats.GroupsReading != 0 || stats.GroupsWriting != 0 {
			t.Errorf("left behind: %+v", stats)
		}
	})
}
