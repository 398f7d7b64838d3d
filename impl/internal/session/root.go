package session

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/moqlite/moqlite/api"
)

// The root of a server's session is the path of the URL that its client has dialled, in
// escaped form ("%2F" does not separate segments), or another one that its grant says. Paths on the wire are relative to the
// root in both directions; muxes, handlers and callers on the server see full paths. A
// client's root is empty: its own paths are the relative ones.

// rootOf returns the root for the escaped path of a URL.
func rootOf(path string) api.BroadcastPath { return api.BroadcastPath(path).Clean() }

// awaitRoot waits until the root is known, and returns it.
func (p *peer) awaitRoot(ctx context.Context) (api.BroadcastPath, error) {
	if err := p.life.await(ctx, &p.rootKnown); err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.root, nil
}

// overlap returns the longer of root and prefix if one is below the other: broadcasts
// below it are below both.
func overlap(root, prefix api.BroadcastPath) (lower api.BroadcastPath, some bool) {
	if prefix.HasPrefix(root) {
		return prefix, true
	}
	return root, root.HasPrefix(prefix)
}

// wirePath returns a caller's path relative to the root, as it is sent to the peer. It
// returns an error if the path or the track's name cannot be sent.
func (p *peer) wirePath(ctx context.Context, path api.BroadcastPath, name api.TrackName) (api.BroadcastPath, error) {
	path = path.Clean()
	if err := path.Validate(); err != nil {
		return "", err
	}
	if err := name.Validate(); err != nil {
		return "", err
	}
	root, err := p.awaitRoot(ctx)
	if err != nil {
		return "", err
	}
	if !path.HasPrefix(root) {
		return "", fmt.Errorf("%w: the session stands at %q, and reaches what is below", api.ErrNotFound, string(root))
	}
	return path.Rel(root), nil
}

// fullPath returns the full path for a path that the peer has sent. The root is known.
func (p *peer) fullPath(path string) api.BroadcastPath {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.root.Join(api.BroadcastPath(path).Clean())
}

// targetPath returns a request target without its query.
func targetPath(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}

// withTarget returns base with the path and query of a request target, as SETUP carries
// it. A path that cannot be unescaped is taken literally.
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

// quoted returns a path or a name in quotes, for an error; of a long one the beginning.
func quoted[S ~string](s S) string {
	const shown = 100
	if len(s) <= shown {
		return strconv.Quote(string(s))
	}
	return fmt.Sprintf("%q… (%d bytes)", string(s[:shown]), len(s))
}
