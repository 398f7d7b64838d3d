package impl_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestNamesThatCannotTravel checks that a path or name that no peer would
// accept fails on this side with an error that says why, and does not harm the
// session.
func TestNamesThatCannotTravel(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := moqtest.NewServer(api.NewTrackMux())
				defer server.Close()
				c := server.Client()
				c.Config = &api.Config{Versions: []api.Version{v}}
				s, err := c.Dial(t.Context(), server.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				for what, want := range map[string]string{long: "bytes", "\xff\xfe": "UTF-8"} {
					for call, err := range map[string]error{
						"Subscribe, path": errOf(s.Subscribe(t.Context(), api.BroadcastPath(what), "track", nil)),
						"Subscribe, name": errOf(s.Subscribe(t.Context(), "room", api.TrackName(what), nil)),
						"TrackInfo, path": errOf(s.TrackInfo(t.Context(), api.BroadcastPath(what), "track")),
						"TrackInfo, name": errOf(s.TrackInfo(t.Context(), "room", api.TrackName(what))),
						"Fetch, path":     errOf(s.Fetch(t.Context(), api.FetchRequest{Path: api.BroadcastPath(what), Name: "track"})),
						"Fetch, name":     errOf(s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: api.TrackName(what)})),
						"Announcements":   errOf(s.Announcements(t.Context(), what)),
						"Publish":         api.NewTrackMux().PublishFunc(context.Background(), api.BroadcastPath(what), func(api.TrackWriter) {}),
					} {
						if err == nil || !errors.Is(err, api.ErrNotSupported) && (!strings.Contains(err.Error(), want) || len(err.Error()) > 1000) {
							t.Errorf("%s of %d bytes: %.200v", call, len(what), err)
						}
					}
				}
				if err := context.Cause(s.Context()); err != nil {
					t.Errorf("the session has ended: %v", err)
				}
			})
		})
	}
}

func errOf[T any](_ T, err error) error { return err }
