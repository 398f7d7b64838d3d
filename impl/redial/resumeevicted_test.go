package redial_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// TestEvictedGroupIsNotResumed: while the connection is lost, the publisher drops the
// group that was being read, since newer ones need the room or it has become too large.
// Its reader is told that the rest is lost, soon, and the track goes on.
func TestEvictedGroupIsNotResumed(t *testing.T) {
	const newer = 20
	for name, large := range map[string]bool{"for newer groups": false, "too large": true} {
		t.Run(name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				mux := api.NewTrackMux()
				b := &live.Broadcast{Limits: live.Limits{Bytes: 10_000, GroupBytes: 50_000}}
				track := b.Track("log", api.TrackInfo{MaxLatency: time.Hour})
				if err := mux.Publish(t.Context(), "room", b); err != nil {
					t.Fatal(err)
				}
				defer track.Close()
				old, err := track.OpenGroup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				frame := api.Frame{Payload: bytes.Repeat([]byte("x"), 1000)}
				for range 3 {
					_ = old.WriteFrame(frame)
				}
				server, n, s := single(t, mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				r, err := s.Subscribe(t.Context(), "room", "log", &api.SubscribeConfig{Resume: true})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				g, err := r.AcceptGroup(t.Context())
				if err != nil || g.Sequence() != 0 {
					t.Fatal(g, err)
				}
				time.AfterFunc(time.Second, func() {
					n.fail(errors.New("no way")) // until it is gone
					defer n.fail(nil)
					server.Sever()
					for large && old.WriteFrame(frame) == nil {
					}
					for range newer {
						_ = api.WriteGroup(t.Context(), track, frame)
					}
					_ = old.Close()
				})
				began, frames := time.Now(), 0
				for ; err == nil; frames++ {
					_, err = readFrame(g, false)
				}
				told := errors.Is(err, api.ErrTooFarBehind) || errors.Is(err, api.ErrFrameTooLarge) || errors.Is(err, api.ErrNotFound)
				if v == api.Lite03 || v == api.Lite04 { // they cannot ask for a group
					told = told || errors.Is(err, api.ErrNotSupported) && errors.Is(err, api.ErrSessionClosed)
				}
				if took := time.Since(began); !told || frames != 4 || took > 10*time.Second {
					t.Errorf("after %v and %d frames: %v", took, frames-1, err)
				}
				// Each of the others comes or is told as lost.
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				seen := make(map[api.GroupSequence]bool)
				for g, err := range api.Groups(ctx, r) {
					if err == nil {
						seen[g.Sequence()] = true
					}
				}
				if !seen[newer] {
					t.Error("the newest group has not come")
				}
				for _, gap := range r.Gaps() {
					for n := gap.Start; n < gap.End; n++ {
						seen[n] = true
					}
				}
				for n := api.GroupSequence(1); n <= newer; n++ {
					if !seen[n] {
						t.Errorf("group %d neither came nor is told as lost", n)
					}
				}
			})
		})
	}
}
