package relay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/relay"
)

// sharing runs a test with a Share of a session with a server, whose track
// writes a group a second while it is read; served counts its subscriptions.
func sharing(t *testing.T, f func(t *testing.T, s *relay.Share, served *atomic.Int64)) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var served, open atomic.Int64
				mux := api.NewTrackMux()
				err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
					served.Add(1)
					open.Add(1)
					defer open.Add(-1)
					for w.Context().Err() == nil {
						g, err := w.OpenGroup(w.Context())
						if err != nil {
							return
						}
						_ = g.WriteFrame(api.Frame{Timestamp: 1, Payload: fmt.Appendf(nil, "frame %d", g.Sequence())})
						_ = g.Close()
						select {
						case <-time.After(time.Second):
						case <-w.Context().Done():
						}
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				server := moqtest.NewServer(mux)
				defer server.Close()
				f(t, relay.NewShare(dial(t, server, v, nil)), &served)
				time.Sleep(10 * time.Second)
				if n := open.Load(); n != 0 {
					t.Errorf("%d subscriptions are left when all readers have gone", n)
				}
			})
		})
	}
}

// TestReadersShareASubscription: ten readers come one after the other, read the
// same groups, and leave.
func TestReadersShareASubscription(t *testing.T) {
	sharing(t, func(t *testing.T, s *relay.Share, served *atomic.Int64) {
		var work sync.WaitGroup
		for i := range 10 {
			r, err := s.Subscribe(t.Context(), "room", "video", nil)
			if err != nil {
				t.Fatal(err)
			}
			work.Go(func() {
				defer r.Close()
				next := api.GroupSequence(0)
				for n := range 10 {
					g, err := r.AcceptGroup(t.Context())
					if err != nil {
						t.Errorf("reader %d: %v", i, err)
						return
					}
					var f api.Frame
					if err := g.ReadFrame(&f); err != nil || string(f.Payload) != fmt.Sprintf("frame %d", g.Sequence()) {
						t.Errorf("reader %d, group %d: %q, %v", i, g.Sequence(), f.Payload, err)
					}
					if n > 0 && g.Sequence() != next {
						t.Errorf("reader %d: group %d, want %d", i, g.Sequence(), next)
					}
					next = g.Sequence() + 1
					g.Cancel(api.StreamCancelled)
				}
			})
			time.Sleep(700 * time.Millisecond)
		}
		work.Wait()
		if n := served.Load(); n != 1 {
			t.Errorf("the publisher served %d subscriptions, want 1", n)
		}
	})
}

// TestRangesAreNotShared, since the shared track need not have their groups.
func TestRangesAreNotShared(t *testing.T) {
	sharing(t, func(t *testing.T, s *relay.Share, served *atomic.Int64) {
		for _, c := range []*api.SubscribeConfig{nil, {StartGroup: 1}, {EndGroup: 5}} {
			r, err := s.Subscribe(t.Context(), "room", "video", c)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
		}
		time.Sleep(time.Second)
		if n := served.Load(); n != 3 {
			t.Errorf("the publisher served %d subscriptions, want 3", n)
		}
	})
}

func TestShareOfWhatIsNotThere(t *testing.T) {
	sharing(t, func(t *testing.T, s *relay.Share, _ *atomic.Int64) {
		r, err := s.Subscribe(t.Context(), "nowhere", "video", nil)
		if err == nil { // below moq-lite-05 no question comes before
			_, err = r.AcceptGroup(t.Context())
			_ = r.Close()
		}
		if !errors.Is(err, api.ErrNotFound) {
			t.Errorf("got %v, want not found", err)
		}
	})
}

// TestShareEndsWithItsSession tells all readers.
func TestShareEndsWithItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := api.NewTrackMux()
		if err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) { <-w.Context().Done() }); err != nil {
			t.Fatal(err)
		}
		server := moqtest.NewServer(mux)
		session := dial(t, server, api.Lite06, nil)
		s := relay.NewShare(session)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var readers [2]api.TrackReader
		for i := range readers {
			var err error
			if readers[i], err = s.Subscribe(ctx, "room", "video", nil); err != nil {
				t.Fatal(err)
			}
		}
		server.Close()
		for _, r := range readers {
			if _, err := r.AcceptGroup(ctx); err == nil || ctx.Err() != nil {
				t.Errorf("a reader of a session that has ended: %v", err)
			}
			_ = r.Close()
		}
		<-session.Context().Done()
		if _, err := s.Subscribe(ctx, "room", "video", nil); err == nil {
			t.Error("a session that has ended was subscribed to")
		}
	})
}
