package session

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/moqlite/moqlite/api"
)

// A root is where a server's session stands among the broadcasts of the server:
// at the path that its client has dialled, as it was escaped there ("%2F" is no
// slash). What travels is relative to it, in both directions; muxes, handlers and
// callers on the server see full paths. A client's own paths are relative
// already: its root is empty.

// findRoot takes the root from the connection, if that has carried the URL. In
// versions without a SETUP there is no other way.
func (s *Session) findRoot() {
	state := s.conn.State()
	if s.opts.Client || state.URL == nil || !state.CarriesURL && s.version.Setup {
		return
	}
	s.peer.root = rootOf(state.URL.EscapedPath())
}

// rootOf is the root of a URL's escaped path.
func rootOf(path string) api.BroadcastPath { return api.BroadcastPath(path).Clean() }

// awaitRoot waits until the root is known, and returns it.
func (s *Session) awaitRoot(ctx context.Context) (api.BroadcastPath, error) {
	if s.opts.Client {
		return "", nil
	}
	if !s.conn.State().CarriesURL {
		if err := s.WaitForSetup(ctx); err != nil {
			return "", err
		}
	}
	_, root := s.peer.said()
	return root, nil
}

// readyToServe waits until it is known what the peer may ask for, and from where.
func (s *Session) readyToServe() error {
	if err := s.Ready(s.Context()); err != nil {
		return err
	}
	_, err := s.awaitRoot(s.Context())
	return err
}

// overlap is what lies both below root and below prefix: the lower of the two.
func overlap(root, prefix api.BroadcastPath) (lower api.BroadcastPath, some bool) {
	if prefix.HasPrefix(root) {
		return prefix, true
	}
	return root, root.HasPrefix(prefix)
}

// wirePath is what a caller's path is to the peer, if it can be sent, and the
// track's name with it.
func (s *Session) wirePath(ctx context.Context, path api.BroadcastPath, name api.TrackName) (api.BroadcastPath, error) {
	path = path.Clean()
	if err := path.Validate(); err != nil {
		return "", err
	}
	if err := name.Validate(); err != nil {
		return "", err
	}
	root, err := s.awaitRoot(ctx)
	if err != nil {
		return "", err
	}
	if !path.HasPrefix(root) {
		return "", fmt.Errorf("%w: the session stands at %q, and reaches what is below", api.ErrNotFound, string(root))
	}
	return path.Rel(root), nil
}

// fullPath is what a peer's path is to us.
func (s *Session) fullPath(path string) api.BroadcastPath {
	_, root := s.peer.said()
	return root.Join(api.BroadcastPath(path).Clean())
}

// targetPath is the path of a request target, which may have a query.
func targetPath(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}

// withTarget returns base with the path and query of a request target, as a
// SETUP carries it. A target that does not parse leaves the path as its text.
func withTarget(base *url.URL, target string) *url.URL {
	u := new(url.URL)
	if base != nil {
		*u = *base
	}
	path, query, _ := strings.Cut(target, "?")
	u.RawQuery = query
	u.RawPath = ""
	u.Path = path
	if decoded, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = decoded, path
	}
	return u
}

// quoted is a path or a name for an error, which shows no more than its beginning.
func quoted[S ~string](s S) string {
	const shown = 100
	if len(s) <= shown {
		return strconv.Quote(string(s))
	}
	return fmt.Sprintf("%q… (%d bytes)", string(s[:shown]), len(s))
}
