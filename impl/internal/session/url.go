package session

import (
	"net/url"
	"strings"
)

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
