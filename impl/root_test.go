package impl_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// itself stands for the empty path, which is the root.
const itself = "(root)"

// A rooted is a relay over sockets, with clients that dial it at several
// paths.
type rooted struct {
	*testing.T
	server   *moqtest.Server
	scheme   string
	version  api.Version
	sessions chan api.Session // of the server, in order
}

// dial dials at a path of the server.
func (r *rooted) dial(path string, mux *api.TrackMux) (client, atServer api.Session) {
	r.Helper()
	c := r.server.Client()
	c.Config = &api.Config{Versions: []api.Version{r.version}}
	_, rest, _ := strings.Cut(r.server.URL, ":")
	s, err := c.Dial(r.Context(), r.scheme+":"+rest+path, mux)
	if err != nil {
		r.Fatalf("dial at %q: %v", path, err)
	}
	return s, <-r.sessions
}

// announced returns everything that is announced to a session below a prefix. If
// something is expected, it waits for that: moq-lite-03 cannot tell that all is told.
func (r *rooted) announced(s api.Session, prefix, expected string) string {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	reader, err := s.Announcements(ctx, prefix)
	if err != nil {
		r.Fatal(err)
	}
	defer reader.Close()
	var paths []string
	for a, err := range api.Announcements(ctx, reader) {
		if err != nil {
			r.Fatal(err)
		}
		if a.Status == api.AnnouncementsComplete {
			if len(paths) > 0 || expected == "" {
				break
			}
			continue
		}
		paths = append(paths, cmp.Or(string(a.Path), itself))
	}
	return strings.Join(paths, " ")
}

// first reads the first frame of a track.
func (r *rooted) first(s api.Session, path api.BroadcastPath) (string, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	track, err := s.Subscribe(ctx, path, "track", nil)
	if err != nil {
		return "", err
	}
	defer track.Close()
	g, err := track.AcceptGroup(ctx)
	if err != nil {
		return "", err
	}
	var f api.Frame
	err = g.ReadFrame(&f)
	return string(f.Payload), err
}

// echo serves a group that contains what was asked for.
func echo(w api.TrackWriter) {
	if g, err := w.OpenGroup(w.Context()); err == nil {
		_ = g.WriteFrame(api.Frame{Payload: []byte(w.Request().Path)})
		_ = g.Close()
	}
	<-w.Context().Done()
}

// TestRoots runs publishers and viewers at several paths of a relay, in every
// version over every transport: each sees what is below its own path, relative
// to it, while the server sees full paths.
func TestRoots(t *testing.T) {
	for _, scheme := range []string{"moqt", "https", "wss", "ws", "tls", "tcp"} {
		for _, version := range api.Versions() {
			t.Run(scheme+" "+string(version), func(t *testing.T) {
				t.Parallel() // it waits for announcements to be complete, for the most part
				if old := version == api.Lite03 || version == api.Lite04; old && scheme != "https" && !strings.HasPrefix(scheme, "ws") {
					return // the version cannot carry a path over this transport, and so does not connect with one
				}
				r := &rooted{T: t, server: moqtest.NewUnstartedRelay(), scheme: scheme, version: version, sessions: make(chan api.Session, 8)}
				r.server.Config.Handler = func(s api.Session) { r.sessions <- s; r.server.Relay.Handler(s) }
				r.server.StartSockets()
				defer r.server.Close()
				r.check()
			})
		}
	}
}

func (r *rooted) check() {
	mux := api.NewTrackMux()
	if err := mux.PublishFunc(r.Context(), "room/x", echo); err != nil {
		r.Fatal(err)
	}
	atClient, atServer := r.dial("//demo/a%2Fb/?q=1", mux)
	const path = "demo/a%2Fb/room/x"
	if got := r.announced(atServer, "", path); got != path {
		r.Errorf("the server hears of %q", got)
	}
	if got := atServer.State().Root; got != "demo/a%2Fb" {
		r.Errorf("the root is %q", got)
	}
	if a, b := atServer.State().ID, atClient.State().ID; len(a) != 32 || len(b) != 32 || a == b || a != atServer.State().ID {
		r.Errorf("the sessions have the ids %q and %q", a, b)
	}
	for path, want := range map[string]string{
		"": "demo/a%2Fb/room/x", "/demo": "a%2Fb/room/x", "/demo/a%2Fb/": "room/x", "/demo/a%2Fb/room": "x",
		"/demo/a%2Fb/room/x": itself, "/demo/a/b": "", "/demo/a": "", "/other": "",
	} {
		viewer, _ := r.dial(path, api.NewTrackMux())
		if got := r.announced(viewer, "", want); got != want {
			r.Errorf("at %q %q is announced, want %q", path, got, want)
		}
		if want == "" {
			continue
		}
		if got, err := r.first(viewer, api.BroadcastPath(strings.TrimPrefix(want, itself))); got != "room/x" || err != nil {
			r.Errorf("at %q the publisher is asked for %q, %v", path, got, err)
		}
	}
	r.checkServer(atServer)
}

// checkServer subscribes at the server, over the publisher's session, to paths
// above, below and beside its root.
func (r *rooted) checkServer(s api.Session) {
	for prefix, want := range map[string]string{
		"demo": "demo/a%2Fb/room/x", "demo/a%2Fb/room/": "demo/a%2Fb/room/x", "demo/a": "", "other": "",
	} {
		if got := r.announced(s, prefix, want); got != want {
			r.Errorf("the server is told of %q below %q, want %q", got, prefix, want)
		}
	}
	if got, err := r.first(s, "demo/a%2Fb/room/x"); got != "room/x" || err != nil {
		r.Errorf("the server reads %q, %v", got, err)
	}
	if _, err := r.first(s, "room/x"); !errors.Is(err, api.ErrNotFound) {
		r.Errorf("outside of the root: %v", err)
	}
	if s.State().Version == api.Lite05 || s.State().Version == api.Lite06 {
		if _, err := s.TrackInfo(r.Context(), "demo/other", "track"); !errors.Is(err, api.ErrNotFound) {
			r.Errorf("outside of the root: %v", err)
		}
		if _, err := s.Fetch(r.Context(), api.FetchRequest{Path: "demo/other", Name: "track"}); !errors.Is(err, api.ErrNotFound) {
			r.Errorf("outside of the root: %v", err)
		}
	}
}

// TestHandlersSeeFullPaths asks a server's own broadcasts for a track, its
// info and a group from a session with a root.
func TestHandlersSeeFullPaths(t *testing.T) {
	asked := make(chan api.BroadcastPath, 3)
	mux := api.NewTrackMux()
	if err := mux.Publish(t.Context(), "demo/room", api.TrackFuncs{
		Serve: func(w api.TrackWriter) { asked <- w.Request().Path },
		Info: func(_ context.Context, r api.TrackRequest) (api.TrackInfo, error) {
			if r.Name == "info" {
				asked <- r.Path
			}
			return api.TrackInfo{}, nil
		},
		Fetch: func(w api.GroupWriter, r api.FetchRequest) { asked <- r.Path; _ = w.Close() },
	}); err != nil {
		t.Fatal(err)
	}
	server := moqtest.NewServer(mux)
	defer server.Close()
	s, err := server.Client().Dial(t.Context(), server.URL+"/demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	if root := s.State().Root; root != "" {
		t.Errorf("the client's root is %q", root)
	}
	if _, err := s.Subscribe(t.Context(), "/room/", "track", nil); err != nil {
		t.Error(err)
	}
	if _, err := s.TrackInfo(t.Context(), "room", "info"); err != nil {
		t.Error(err)
	}
	if _, err := s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "track"}); err != nil {
		t.Error(err)
	}
	for range 3 {
		if path := <-asked; path != "demo/room" {
			t.Errorf("a handler is asked for %q", path)
		}
	}
}
