package impl_test

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestBusyReadersLoseNothing reads many tracks, each of whose readers is busy
// with one frame at a time: together they could hold more than may be unread.
func TestBusyReadersLoseNothing(t *testing.T) {
	const tracks = 100
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				t.Error(err)
				return
			}
			for range 5 {
				_ = g.WriteFrame(api.Frame{Payload: make([]byte, 10_000)})
				time.Sleep(150 * time.Millisecond)
			}
			_ = g.Close()
		})
		var reading sync.WaitGroup
		for i := range tracks {
			r, err := s.Subscribe(t.Context(), "room", api.TrackName(fmt.Sprint(i)), nil)
			if err != nil {
				t.Fatal(err)
			}
			reading.Go(func() {
				g := accept(t, r)
				var err error
				frames := 0
				for ; err == nil; frames++ {
					err = g.ReadFrame(new(api.Frame))
					time.Sleep(100 * time.Millisecond)
				}
				if err != io.EOF || frames != 6 {
					t.Errorf("track %d: %v after %d frames", i, err, frames-1)
				}
			})
		}
		reading.Wait()
		if n := s.Stats().GroupsDropped; n != 0 {
			t.Errorf("%d groups were dropped", n)
		}
	})
}
