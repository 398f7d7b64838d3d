package relay_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestAsksWhoMayServe: an announcement covers what lies below it only as far as the
// grant of its session does.
func TestAsksWhoMayServe(t *testing.T) {
	for _, v := range api.Versions() {
		for name, other := range map[string]struct {
			path   api.BroadcastPath // announced by a session that may do everything
			served string            // to a viewer of room/x/secret
		}{
			"nobody":         {"elsewhere", ""},
			"same path":      {"room/x", "room/x room/x/secret 0"},
			"above":          {"room", "room room/x/secret 0"},
			"the root":       {"", " room/x/secret 0"},
			"beside":         {"room/y", ""},
			"below the path": {"room/x/secret/more", ""},
		} {
			t.Run(string(v)+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { asksWhoMayServe(t, v, other.path, other.served) })
			})
		}
	}
}

func asksWhoMayServe(t *testing.T, v api.Version, other api.BroadcastPath, served string) {
	server := moqtest.NewUnstartedRelay()
	defer server.Close()
	server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
		g := api.GrantAll()
		if r.Token == "exact" {
			g.Publish = api.Patterns{"room/x"}
		}
		return g, nil
	}
	server.Start()
	publisher := func(query string, path api.BroadcastPath) {
		mux, c := api.NewTrackMux(), server.Client()
		c.Config = &api.Config{Versions: []api.Version{v}}
		if err := mux.PublishBelow(t.Context(), path, echo(string(path), 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Dial(t.Context(), "https"+server.URL[len("moqt"):]+query, mux); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	publisher("", other)
	publisher("?jwt=exact", "room/x") // the newest is preferred
	viewer := dial(t, server, v, api.NewTrackMux())
	if got := readAll(t, viewer, "room/x"); len(got) != 1 || got[0] != "room/x room/x 0" {
		t.Errorf("of room/x, read %q", got)
	}
	if served == "" {
		if r, err := viewer.Subscribe(t.Context(), "room/x/secret", "track", nil); err == nil {
			_, err = r.AcceptGroup(t.Context())
			if !errors.Is(err, api.ErrNotFound) {
				t.Error(err)
			}
		} else if !errors.Is(err, api.ErrNotFound) {
			t.Error(err)
		}
		return
	}
	if got := readAll(t, viewer, "room/x/secret"); len(got) != 1 || got[0] != served {
		t.Errorf("of room/x/secret, read %q, want %q", got, served)
	}
}
