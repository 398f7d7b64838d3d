package relay_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestTrackNamesAreForgotten requests many tracks of one broadcast, each once,
// or one track of many broadcasts below it. Nothing is kept of those that are
// refused or have ended.
func TestTrackNamesAreForgotten(t *testing.T) {
	for name, serve := range map[string]func(w api.TrackWriter){
		"refused": func(w api.TrackWriter) { _ = w.CloseWithError(api.StreamNotFound) },
		"empty":   func(w api.TrackWriter) {},
		"read":    writeOne,
	} {
		for place, at := range map[string]string{"": "room", " below": "room/below with the number %d"} {
			t.Run(name+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, r := startRelay()
					defer server.Close()
					mux := api.NewTrackMux()
					_ = mux.PublishBelow(t.Context(), "room", numberless{api.TrackHandlerFunc(serve)})
					dial(t, server, api.Lite06, mux)
					s := dial(t, server, api.Lite06, api.NewTrackMux())
					await(t, announcements(t, s), "room", api.AnnouncementActive)
					before := heapAfter(t, s, at, 0, 300)
					if grown := heapAfter(t, s, at, 300, 1300) - before; grown > 1000*100 {
						t.Errorf("1,000 names more took %d KB", grown>>10)
					}
					runtime.KeepAlive(r)
				})
			})
		}
	}
}

// numberless is a handler that chooses group numbers itself, so that its
// publication keeps none for each name.
type numberless struct{ api.TrackHandler }

func (numberless) Origin() api.Session { return nil }

// writeOne writes a group of one frame.
func writeOne(w api.TrackWriter) {
	if g, err := w.OpenGroupAt(w.Context(), 7); err == nil {
		_ = g.WriteFrame(api.Frame{Payload: []byte("x")})
		_ = g.Close()
	}
}

// heapAfter requests tracks by numbered names, at a path which may be numbered
// too, reads each to its end, and returns the memory in use a minute later.
func heapAfter(t *testing.T, s api.Session, at string, from, to int) int64 {
	t.Helper()
	for i := from; i < to; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		path := api.BroadcastPath(strings.ReplaceAll(at, "%d", strconv.Itoa(i)))
		r, err := s.Subscribe(ctx, path, api.TrackName(fmt.Sprint("a track with the number ", i)), nil)
		if err == nil {
			for g, err := range api.Groups(ctx, r) {
				if err != nil {
					break
				}
				g.Cancel(api.StreamCancelled)
			}
			_ = r.Close()
		}
		cancel()
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(time.Minute)
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
