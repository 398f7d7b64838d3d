// Package redirect decides whether a client follows the URL to which a server
// sends it (GOAWAY), and with which credentials. It opens no connection: all
// that it asks of the network is an address, through the caller's function.
//
// What always holds, whatever the caller allows: a redirect leads to no scheme
// that is less secure, to no URL with credentials of its own, and from a host
// on the public network to none that is not. The user and the query of a URL,
// which may be secret, are sent to the origin that they were meant for alone,
// and [Policy].Allow does not see them.
package redirect

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/moqlite/moqlite/transport"
)

// A Request is what a server asks of a client.
type Request struct {
	URI    string   // the server's, absolute or relative to From
	From   string   // the URL of the session that is left
	Home   string   // the URL that was dialled at first
	Remote net.Addr // where the session is connected to; nil if that is unknown
}

// A Policy is what the caller decides.
type Policy struct {
	// Allow decides on other hosts than those of From and Home. It sees both
	// URLs without user and query. Nil allows none.
	Allow func(from, to *url.URL) bool

	// Lookup finds the addresses of a host that was allowed.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Follow returns the URL to dial, or why the redirect is not followed. It
// blocks in the functions of p alone; ctx bounds the look-up.
func Follow(ctx context.Context, r Request, p Policy) (string, error) {
	from, err := url.Parse(r.From)
	if err != nil {
		return "", ErrMalformed
	}
	home, err := url.Parse(r.Home)
	if err != nil {
		return "", ErrMalformed
	}
	to, err := resolve(from, r.URI)
	if err != nil {
		return "", err
	}
	if !sameHost(from, to) && !sameHost(home, to) {
		if p.Allow == nil || !p.Allow(transport.Redacted(from), transport.Redacted(to)) {
			return "", ErrOtherHost
		}
		if err := checkAddress(ctx, hostname(from), hostname(to), r.Remote, p.Lookup); err != nil {
			return "", err
		}
	}
	return credentials(to, from, home).String(), nil
}

// The reasons not to follow a redirect.
var (
	ErrMalformed  = errors.New("malformed URL")
	ErrNoHost     = errors.New("the URL names no host")
	ErrUserInfo   = errors.New("the URL has credentials")
	ErrScheme     = errors.New("no scheme of moq-lite")
	ErrLessSecure = errors.New("the scheme is less secure")
	ErrOtherHost  = errors.New("another host")
	ErrNotPublic  = errors.New("an address that is not public, from a host that is")
)

// resolve returns the URL that uri names for a client of from, with the checks
// that need no look-up.
func resolve(from *url.URL, uri string) (*url.URL, error) {
	ref, err := url.Parse(uri)
	if err != nil {
		// The parser's error repeats the URL, credentials and all.
		return nil, ErrMalformed
	}
	to := from.ResolveReference(ref)
	to.Fragment, to.RawFragment = "", ""
	was, _ := transport.SchemeByName(from.Scheme)
	scheme, known := transport.SchemeByName(to.Scheme)
	switch {
	case !known:
		return nil, ErrScheme
	case to.Hostname() == "":
		return nil, ErrNoHost
	case ref.User != nil:
		return nil, ErrUserInfo
	case was.Secure && !scheme.Secure:
		return nil, ErrLessSecure
	}
	// The query and the user of from are not sent to another place.
	to.User = nil
	if ref.RawQuery == "" {
		to.RawQuery = ""
	}
	if ref.Host != "" && ref.Path == "" {
		to.Path, to.RawPath = from.Path, from.RawPath
	}
	return to, nil
}

// credentials returns to with the query and the user of the known URL of the
// same origin; without them if there is none.
func credentials(to *url.URL, known ...*url.URL) *url.URL {
	out := *to
	for _, u := range known {
		if !sameOrigin(u, to) {
			continue
		}
		out.User = u.User
		if out.RawQuery == "" {
			out.RawQuery = u.RawQuery
		}
		break
	}
	return &out
}

func sameHost(a, b *url.URL) bool { return hostname(a) == hostname(b) }

// Refresh returns the URL to, which Follow has returned, with the credentials of
// fresh, by which home has been replaced since. It does so where to has those of
// home; where it has other ones, or is malformed, it is returned as it is.
func Refresh(to, home, fresh string) string {
	urls := make([]*url.URL, 3)
	for i, raw := range []string{to, home, fresh} {
		var err error
		if urls[i], err = url.Parse(raw); err != nil {
			return to
		}
	}
	next, was, now := urls[0], urls[1], urls[2]
	if !sameOrigin(next, was) || next.RawQuery != was.RawQuery {
		return to
	}
	next.User, next.RawQuery = nil, ""
	return credentials(next, now).String()
}

// SameOrigin reports whether two URLs have the same scheme, host and port: what
// is secret may then be sent to both. A URL is of its own origin even if it is
// malformed.
func SameOrigin(a, b string) bool {
	if a == b {
		return true
	}
	one, err := url.Parse(a)
	other, otherErr := url.Parse(b)
	return err == nil && otherErr == nil && sameOrigin(one, other)
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && sameHost(a, b) && port(a) == port(b)
}

func hostname(u *url.URL) string { return strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")) }

// port returns the port of u, or else that of its scheme.
func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	s, _ := transport.SchemeByName(u.Scheme)
	return s.Port
}
