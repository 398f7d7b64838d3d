package impl_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// toldNow returns what is announced to a session below a prefix, sorted, once all is.
func toldNow(t *testing.T, s api.Session, prefix string) []string {
	t.Helper()
	r, err := s.Announcements(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	time.Sleep(time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	paths := []string{}
	for {
		switch a, err := r.Receive(ctx); {
		case errors.Is(err, context.DeadlineExceeded):
			slices.Sort(paths)
			return paths
		case err != nil:
			t.Fatal(err)
		case a.Status == api.AnnouncementActive:
			paths = append(paths, string(a.Path))
		}
	}
}

// admittedWith starts a server that gives every session a grant, and returns both ends
// of a session.
func admittedWith(t *testing.T, v api.Version, g api.Grant, server *moqtest.Server, start func() string, mux *api.TrackMux) (client, atServer api.Session) {
	t.Helper()
	sessions := make(chan api.Session, 1)
	server.Config.Handler = func(s api.Session) { sessions <- s }
	server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) { return g, nil }
	url := start()
	c := server.Client()
	c.Config = &api.Config{Versions: []api.Version{v}}
	client, err := c.Dial(t.Context(), url, mux)
	if err != nil {
		t.Fatal(err)
	}
	return client, <-sessions
}

// requests makes each request for a path that the session's version has.
func requests(t *testing.T, s api.Session, path api.BroadcastPath) map[string]error {
	t.Helper()
	_, err := s.Subscribe(t.Context(), path, "track", nil)
	all := map[string]error{"subscribe": err}
	if withSetup(s.State().Version) {
		_, all["track"] = s.TrackInfo(t.Context(), path, "track")
		_, all["fetch"] = s.Fetch(t.Context(), api.FetchRequest{Path: path, Name: "track"})
	}
	return all
}

// TestReadsWhatIsGranted: a request outside of the grant is reset, and of what is
// announced only that is told which is in it; the session goes on.
func TestReadsWhatIsGranted(t *testing.T) {
	overEachVersion(t, func(t *testing.T, v api.Version, server *moqtest.Server, start func() string) {
		for _, path := range []api.BroadcastPath{"tenant/room/a", "tenant/room/b", "tenant/secret", "tenant/room", "room/a", "tenant/room%2Fa", "tenantroom/a"} {
			if err := server.Config.Mux.Publish(t.Context(), path, api.TrackFuncs{
				Serve: echo, Fetch: func(w api.GroupWriter, _ api.FetchRequest) { _ = w.Close() },
			}); err != nil {
				t.Fatal(err)
			}
		}
		g := api.Grant{Root: "tenant", Subscribe: api.Patterns{"room/*", "nobody"}}
		s, _ := admittedWith(t, v, g, server, start, nil)
		for prefix, want := range map[string][]string{
			"": {"room/a", "room/b"}, "room": {"room/a", "room/b"}, "room/b": {"room/b"}, "secret": {}, "room%2Fa": {}, "nobody": {},
		} {
			if got := toldNow(t, s, prefix); !slices.Equal(got, want) {
				t.Errorf("below %q it is told of %q, want %q", prefix, got, want)
			}
		}
		for path, want := range map[api.BroadcastPath]api.StreamErrorCode{
			"secret": api.StreamUnauthorized, "room": api.StreamUnauthorized, "": api.StreamUnauthorized, "none": api.StreamUnauthorized,
			"room%2Fa": api.StreamUnauthorized, "Room/a": api.StreamUnauthorized, "room/a/x": api.StreamUnauthorized,
			"nobody": api.StreamUnroutable, "room/c": api.StreamUnroutable, "room/a": 0,
		} {
			for what, err := range requests(t, s, path) {
				reset, ok := errors.AsType[*api.StreamError](err)
				if want == 0 && err != nil || want != 0 && (!ok || reset.Code != want || !reset.Remote) {
					t.Errorf("%s of %q: %v, want %v", what, path, err, want)
				}
			}
		}
		if err := s.Context().Err(); err != nil {
			t.Error("the session has ended:", context.Cause(s.Context()))
		}
	})
}

// TestPublishesWhatIsGranted: what is announced outside of the grant is dropped and
// counted, and never asked for.
func TestPublishesWhatIsGranted(t *testing.T) {
	overEachVersion(t, func(t *testing.T, v api.Version, server *moqtest.Server, start func() string) {
		var log bytes.Buffer
		server.Config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
		mux, asked := api.NewTrackMux(), make(chan api.BroadcastPath, 10)
		serve := func(w api.TrackWriter) { asked <- w.Request().Path; echo(w) }
		end := make(map[api.BroadcastPath]context.CancelFunc)
		publish := func(path api.BroadcastPath) {
			ctx, cancel := context.WithCancel(t.Context())
			if err := mux.PublishFunc(ctx, path, serve); err != nil {
				t.Fatal(err)
			}
			end[path] = cancel
		}
		publish("cam/1")
		publish("other")
		publish("cam%2F1")
		_, s := admittedWith(t, v, api.Grant{Root: "tenant", Publish: api.Patterns{"cam/*"}}, server, start, mux)
		following, err := s.Announcements(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer following.Close()
		time.Sleep(time.Second)
		if got := s.Stats().AnnouncementsRefused; got != 2 {
			t.Errorf("%d announcements were refused", got)
		}
		end["other"]() // none of what happens to it is a violation
		synctest.Wait()
		publish("other")
		time.Sleep(time.Second)
		if got := s.Stats().AnnouncementsRefused; got != 3 {
			t.Errorf("%d announcements were refused", got)
		}
		if got := toldNow(t, s, ""); !slices.Equal(got, []string{"tenant/cam/1"}) {
			t.Errorf("the server is told of %q", got)
		}
		for _, path := range []api.BroadcastPath{"tenant/other", "tenant/cam%2F1", "tenant/cam/1/x", "tenant", "cam/1"} {
			for what, err := range requests(t, s, path) {
				if reset, ok := errors.AsType[*api.StreamError](err); !errors.Is(err, api.ErrNotFound) || ok && reset.Remote {
					t.Errorf("%s of %q: %v", what, path, err)
				}
			}
			if s.(api.PublishScope).MayPublish(path) {
				t.Errorf("it may publish %q", path)
			}
		}
		if _, err := s.Subscribe(t.Context(), "tenant/cam/1", "track", nil); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(asked) != 1 || <-asked != "cam/1" {
			t.Error("it was asked for something else")
		}
		_ = s.Terminate(api.SessionNoError, "")
		if n := strings.Count(log.String(), "announcement dropped"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, log.String())
		}
	})
}

// TestGrantOfEverything limits nothing, also for paths that a grant cannot name.
func TestGrantOfEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		defer server.Close()
		mux := api.NewTrackMux()
		if err := mux.PublishFunc(t.Context(), "", echo); err != nil {
			t.Fatal(err)
		}
		_, s := admittedWith(t, api.Lite06, api.GrantAll(), server, func() string { server.Start(); return server.URL + "/demo" }, mux)
		if got := toldNow(t, s, ""); !slices.Equal(got, []string{"demo"}) {
			t.Errorf("told of %q", got)
		}
		if _, err := s.Subscribe(t.Context(), "demo", "track", nil); err != nil {
			t.Error(err)
		}
	})
}
