package redial_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// TestFetchBeforeThePublisherIsBack asks a restarted relay for groups of a broadcast that
// is read, and of one that is not, before its publisher has come back.
func TestFetchBeforeThePublisherIsBack(t *testing.T) {
	const late = 3 * time.Second
	inEachVersion(t, func(t *testing.T, v api.Version) {
		camera := newCamera(t, api.TrackInfo{MaxLatency: time.Minute}, live.Limits{})
		relay, next := startRelay(0), startRelay(0)
		defer relay.Close()
		defer next.Close()
		camera.connect(t, relay, v)
		time.Sleep(time.Second)
		network, s := viewer(t, relay, v, quick())
		defer s.Terminate(api.SessionNoError, "")
		r, err := api.SubscribeWhenAnnounced(t.Context(), s, "room", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		in := read(t, r)
		time.Sleep(time.Second)
		network.add("1", next, v)
		relay.Sever()
		network.await(2)
		time.AfterFunc(late, func() { camera.connect(t, next, v) })
		began := time.Now()
		if _, err := s.Fetch(t.Context(), api.FetchRequest{Path: "nowhere", Name: "video", Group: 1}); !errors.Is(err, api.ErrNotFound) || time.Since(began) > time.Second {
			t.Errorf("of no broadcast: %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err = s.Fetch(ctx, api.FetchRequest{Path: "room", Name: "video", Group: 1})
		cancel()
		if !errors.Is(err, api.ErrNotFound) && !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
			t.Errorf("with little time: %v after %v", err, time.Since(began))
		}
		g, err := s.Fetch(t.Context(), api.FetchRequest{Path: "/room/", Name: "video", Group: 1})
		if err != nil || time.Since(began) < late || time.Since(began) > late+time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		} else {
			var f api.Frame
			if err := g.ReadFrame(&f); err != nil || string(f.Payload) != "1" {
				t.Errorf("%q, %v", f.Payload, err)
			}
			g.Cancel(api.StreamCancelled)
		}
		if _, err := s.TrackInfo(t.Context(), "room", "video"); err != nil {
			t.Error(err)
		}
		if _, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "nothing", Group: 1}); !errors.Is(err, api.ErrNotFound) {
			t.Errorf("of no track: %v", err)
		}
		camera.stop()
		in.awaitEnd(t)
		in.check(t)
	}, api.Lite05, api.Lite06)
}
