package redial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/moqlite/moqlite/transport"
)

const (
	// maxMoves is how often in movesIn a session follows a GOAWAY, so that
	// servers which send clients to each other are not dialled all the time.
	maxMoves = 5
	movesIn  = time.Minute
)

// moves are the times at which a session has moved.
type moves []time.Time

// allowed reports whether to follow one more GOAWAY now, and counts it.
func (m *moves) allowed(now time.Time) bool {
	*m = slices.DeleteFunc(*m, func(t time.Time) bool { return now.Sub(t) >= movesIn })
	if len(*m) >= maxMoves {
		return false
	}
	*m = append(*m, now)
	return true
}

// destinations returns the URLs to dial when l is left, the most wanted first:
// the peer's, if that may be followed, or else the same again; and the URL that
// was dialled at first.
func (s *Session) destinations(l *link) []string {
	to := l.url
	if away := l.session.State().GoAway; away != nil && away.URI != "" {
		next, err := s.redirect(l, away.URI)
		if err != nil {
			s.policy.Logger.Warn("redirect refused", "to", transport.RedactURL(away.URI), "error", err)
			if hook := s.policy.Trace.RedirectRefused; hook != nil {
				s.report.hook(func() { hook(transport.RedactURL(away.URI), err) })
			}
			next = l.url
		}
		to = next
	}
	return slices.Compact([]string{to, s.home})
}

// redirect returns the URL to dial when the peer of l names uri, or why that is
// not followed.
func (s *Session) redirect(l *link, uri string) (string, error) {
	from, err := url.Parse(l.url)
	if err != nil {
		return "", errMalformed
	}
	home, err := url.Parse(s.home)
	if err != nil {
		return "", errMalformed
	}
	to, err := resolve(from, uri)
	if err != nil {
		return "", err
	}
	if !sameHost(from, to) && !sameHost(home, to) {
		if s.policy.Redirect == nil || !s.policy.Redirect(transport.Redacted(from), transport.Redacted(to)) {
			return "", errOtherHost
		}
		ctx, cancel := context.WithTimeout(s.ctx, s.policy.DialTimeout)
		defer cancel()
		if err := s.checkAddress(ctx, l, from, to); err != nil {
			return "", err
		}
	}
	return credentials(to, from, home).String(), nil
}

// The reasons not to follow a redirect.
var (
	errMalformed  = errors.New("malformed URL")
	errNoHost     = errors.New("the URL names no host")
	errUserInfo   = errors.New("the URL has credentials")
	errScheme     = errors.New("no scheme of moq-lite")
	errLessSecure = errors.New("the scheme is less secure")
	errOtherHost  = errors.New("another host")
	errNotPublic  = errors.New("an address that is not public, from a host that is")
)

// resolve returns the URL that uri names for a client of from, with the checks
// that need no look-up.
func resolve(from *url.URL, uri string) (*url.URL, error) {
	ref, err := url.Parse(uri)
	if err != nil {
		// The parser's error repeats the URL, credentials and all.
		return nil, errMalformed
	}
	to := from.ResolveReference(ref)
	to.Fragment, to.RawFragment = "", ""
	was, _ := transport.SchemeByName(from.Scheme)
	scheme, known := transport.SchemeByName(to.Scheme)
	switch {
	case !known:
		return nil, errScheme
	case to.Hostname() == "":
		return nil, errNoHost
	case ref.User != nil:
		return nil, errUserInfo
	case was.Secure && !scheme.Secure:
		return nil, errLessSecure
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

// checkAddress refuses a redirect from the public network into one that is not.
// A name that cannot be looked up is refused too. A name may resolve to another
// address when it is dialled: a process that can reach hosts which must be
// protected should dial through a transport that checks the addresses it
// connects to.
func (s *Session) checkAddress(ctx context.Context, l *link, from, to *url.URL) error {
	if !publicHost(hostname(from), l.session.State().Remote) {
		return nil
	}
	host := hostname(to)
	if !publicName(host) {
		return errNotPublic
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return checkAddrs([]netip.Addr{addr})
	}
	addrs, err := s.lookup(ctx, host)
	if err != nil {
		return fmt.Errorf("another host: %w", err)
	}
	return checkAddrs(addrs)
}

func (s *Session) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if s.policy.Lookup != nil {
		return s.policy.Lookup(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func checkAddrs(addrs []netip.Addr) error {
	for _, addr := range addrs {
		if !publicAddr(addr) {
			return errNotPublic
		}
	}
	return nil
}

// publicHost reports whether the host of a session is public: by the address
// that it was reached at, if that is known, or else by its name.
func publicHost(host string, remote net.Addr) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return publicAddr(addr)
	}
	if remote != nil {
		if at, err := netip.ParseAddrPort(remote.String()); err == nil {
			return publicAddr(at.Addr())
		}
	}
	return publicName(host)
}

// publicName reports whether a name, or an address, could be public. A name
// that ends in a number could not: some resolvers take it for an address.
func publicName(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return publicAddr(addr)
	}
	if !strings.Contains(host, ".") || strings.Contains(host, "%") {
		return false
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" || last[0] >= '0' && last[0] <= '9' {
		return false
	}
	return !slices.Contains([]string{"localhost", "local", "internal", "lan", "home", "corp", "arpa"}, last)
}

// special are the networks that are not public, besides those that package
// netip knows of.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b:1::/48",
	"100::/64", "2001::/23", "2001:db8::/32", "fec0::/10",
)

// embedding are the networks whose addresses contain an IPv4 address that they
// lead to, with the byte at which it begins.
var embedding = map[netip.Prefix]int{
	netip.MustParsePrefix("64:ff9b::/96"): 12, // NAT64
	netip.MustParsePrefix("2002::/16"):    2,  // 6to4
}

func prefixes(all ...string) (out []netip.Prefix) {
	for _, p := range all {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// publicAddr reports whether an address is public.
func publicAddr(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for prefix, at := range embedding {
		if prefix.Contains(addr) {
			bytes := addr.As16()
			return publicAddr(netip.AddrFrom4([4]byte(bytes[at : at+4])))
		}
	}
	return addr.IsGlobalUnicast() && !addr.IsPrivate() &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(addr) })
}
