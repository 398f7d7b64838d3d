package relay_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// throughRelays runs a test in a bubble for each version, and one and two relays:
// publishers dial the first, and viewers the last.
func throughRelays(t *testing.T, f func(t *testing.T, v api.Version, first, last *moqtest.Server)) {
	for _, v := range api.Versions() {
		for relays := 1; relays <= 2; relays++ {
			t.Run(fmt.Sprint(v, " ", relays), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					first, _ := startRelay()
					defer first.Close()
					last := first
					if relays == 2 {
						last = behind(t, v, first)
						defer last.Close()
					}
					f(t, v, first, last)
				})
			})
		}
	}
}

// TestWhatCoversIsAnnounced to clients that ask below it, with its origin, as
// it comes and goes.
func TestWhatCoversIsAnnounced(t *testing.T) {
	throughRelays(t, func(t *testing.T, v api.Version, first, last *moqtest.Server) {
		s := dial(t, last, v, api.NewTrackMux())
		heard, err := s.Announcements(t.Context(), "room/cam/x")
		if err != nil {
			t.Fatal(err)
		}
		publish := func(hop api.Hop, path api.BroadcastPath) (session api.Session) {
			mux, client := api.NewTrackMux(), first.Client()
			_ = mux.PublishBelow(t.Context(), path, echo(string(path), 1))
			client.Config = &api.Config{Versions: []api.Version{v}, Hop: hop}
			if session, err = client.Dial(t.Context(), first.URL, mux); err != nil {
				t.Fatal(err)
			}
			return session
		}
		expect := func(from api.Hop) {
			t.Helper()
			a := await(t, heard, "room/cam/x", api.AnnouncementActive)
			if v == api.Lite03 {
				from = 0
			}
			if a.Origin() != from {
				t.Errorf("it is announced as of %d, want %d", a.Origin(), from)
			}
		}
		outer := publish(71, "room")
		expect(71)
		inner := publish(72, "room/cam")
		await(t, heard, "room/cam/x", api.AnnouncementEnded)
		expect(72)
		if got := readAll(t, s, "room/cam/x"); len(got) != 1 || got[0] != "room/cam room/cam/x 0" {
			t.Errorf("read %q", got)
		}
		_ = inner.Terminate(api.SessionNoError, "")
		await(t, heard, "room/cam/x", api.AnnouncementEnded)
		expect(71)
		_ = outer.Terminate(api.SessionNoError, "")
		await(t, heard, "room/cam/x", api.AnnouncementEnded)
	})
}

// TestWaitsForWhatIsNotCoveredInTruth: a publisher whose announcement covers a
// path refuses it, and another one announces it a while later.
func TestWaitsForWhatIsNotCoveredInTruth(t *testing.T) {
	throughRelays(t, func(t *testing.T, v api.Version, first, last *moqtest.Server) {
		mux := api.NewTrackMux()
		_ = mux.Publish(t.Context(), "room", echo("exact", 1))
		dial(t, first, v, mux)
		time.Sleep(time.Second)
		s := dial(t, last, v, api.NewTrackMux())
		if a, err := api.WaitAnnounced(t.Context(), s, "room/cam"); err != nil || a.Path != "room/cam" {
			t.Errorf("%+v, %v", a, err)
		}
		if v == api.Lite03 || v == api.Lite04 {
			if err := refusal(t, s, "room/cam"); !errors.Is(err, api.ErrNotFound) {
				t.Errorf("what covers it refuses with %v, want not found", err)
			}
			return
		}
		time.AfterFunc(5*time.Second, func() {
			mux := api.NewTrackMux()
			_ = mux.Publish(t.Context(), "room/cam", echo("cam", 1))
			dial(t, first, v, mux)
		})
		began := time.Now()
		r, err := api.SubscribeWhenAnnounced(t.Context(), s, "room/cam", "video", nil)
		if took := time.Since(began); err != nil || took < 5*time.Second || took > 7*time.Second {
			t.Fatalf("after %v: %v", took, err)
		}
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		g, err := r.AcceptGroup(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var f api.Frame
		if err := g.ReadFrame(&f); err != nil || string(f.Payload) != "cam room/cam 0" {
			t.Errorf("read %q, %v", f.Payload, err)
		}
	})
}
