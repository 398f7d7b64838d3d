//go:build unix

package interop_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

// publishTo publishes a broadcast for the duration of the test. Its groups
// contain the path that was asked for.
func (s side) publishTo(t *testing.T, addr string, path api.BroadcastPath, below bool) {
	t.Helper()
	mux := api.NewTrackMux()
	publish := mux.Publish
	if below {
		publish = mux.PublishBelow
	}
	err := publish(t.Context(), path, api.TrackHandlerFunc(func(w api.TrackWriter) {
		for w.Context().Err() == nil {
			if g, err := w.OpenGroup(w.Context()); err == nil {
				_ = g.WriteFrame(api.Frame{Payload: []byte(w.Request().Path)})
				_ = g.Close()
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-w.Context().Done():
			}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	s.dial(t, addr, mux)
}

// TestBelowThroughRelays subscribes, through each relay, to paths that the
// publisher does not announce: one that it has, and one that it refuses until
// another publisher publishes it.
func TestBelowThroughRelays(t *testing.T) {
	for _, r := range relays {
		t.Run(r.name, func(t *testing.T) {
			addr, _ := r.start(t)
			eachSide(t, []string{"moqt"}, versions, func(t *testing.T, s side) {
				root := api.BroadcastPath(s.version)
				s.publishTo(t, addr, root.Join("room"), true)
				s.publishTo(t, addr, root.Join("hall"), false)
				viewer, _ := s.dial(t, addr, api.NewTrackMux())
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				checkBelow(ctx, t, viewer, root.Join("room/cam/x"))
				if !s.has05() { // refused after it was accepted
					return
				}
				time.AfterFunc(time.Second, func() { s.publishTo(t, addr, root.Join("hall/x"), false) })
				began := time.Now()
				checkBelow(ctx, t, viewer, root.Join("hall/x"))
				t.Logf("what was published after a second is read after %v", time.Since(began).Round(time.Millisecond))
			})
		})
	}
}

// checkBelow waits for a broadcast, and reads a group that contains its path.
func checkBelow(ctx context.Context, t *testing.T, s api.Session, path api.BroadcastPath) {
	t.Helper()
	a, err := api.WaitAnnounced(ctx, s, path)
	if err != nil || a.Path != path {
		t.Fatalf("%+v, %v", a, err)
	}
	r, err := api.SubscribeWhenAnnounced(ctx, s, path, track, nil)
	if err != nil {
		_, refused := errors.AsType[*api.StreamError](err)
		t.Fatalf("%v; refused: %v", err, refused)
	}
	defer r.Close()
	g, err := r.AcceptGroup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var f api.Frame
	if err := g.ReadFrame(&f); err != nil || api.BroadcastPath(f.Payload) != path {
		t.Errorf("read %q, %v", f.Payload, err)
	}
}

// TestBelowForOthers makes a client of moq-rs wait for an announcement that
// covers a path: at the root of a relay, and with a root below the publisher's
// path.
func TestBelowForOthers(t *testing.T) {
	for _, r := range relays {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			addr, _ := r.start(t)
			side{"moqt", "moq-lite-06"}.publishTo(t, addr, "room", true)
			for root, path := range map[string]string{"": "room/cam/x", "/room/cam": "x", "/room": "cam/x"} {
				sub := python(t, "sub", "--url", "moqt://"+addr+root, "--insecure", "--timeout", "10",
					"--broadcast", path, "--track", track, "--groups", "1", "--frames-per-group", "1")
				sub.expect("announced")
				sub.expect("group")
				sub.succeed()
			}
		})
	}
}
