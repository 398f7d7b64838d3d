package session_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport/memconn"
)

// TestWaitingReadersHoldNoBuffers: many readers wait for the rest of a group, and each
// costs little memory.
func TestWaitingReadersHoldNoBuffers(t *testing.T) {
	const groups = 500
	synctest.Test(t, func(t *testing.T) {
		mux, done := api.NewTrackMux(), make(chan struct{})
		if err := mux.PublishFunc(t.Context(), "a", func(w api.TrackWriter) {
			for range groups {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					t.Error(err)
					return
				}
				_ = g.WriteFrame(api.Frame{Payload: []byte("frame")})
				defer g.Cancel(api.StreamCancelled)
			}
			<-done
		}); err != nil {
			t.Fatal(err)
		}
		client, server := memconn.Pipe(string(api.Lite06), nil, nil)
		s, end := overConns(t, client, server, mux)
		defer end()
		r, err := s.Subscribe(t.Context(), "a", "track", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var readers sync.WaitGroup
		goOn := make(chan struct{})
		for range groups {
			g, err := r.AcceptGroup(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			readers.Go(func() {
				f := new(api.Frame)
				if err := g.ReadFrame(f); err != nil {
					t.Error(err)
				}
				<-goOn
				_ = g.ReadFrame(f)
			})
		}
		synctest.Wait()
		before := heap()
		close(goOn)
		synctest.Wait()
		if each := (heap() - before) / groups; each > 1<<10 {
			t.Errorf("each of the readers that wait holds %d bytes", each)
		}
		close(done)
		readers.Wait()
	})
}

// heap returns how much of the heap is in use.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
