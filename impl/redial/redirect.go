package redial

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/moqlite/moqlite/impl/redial/internal/redirect"
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

// destinations returns where to dial when l is left, the most wanted first: the
// peer's, if that may be followed, or else the same again; and home.
func (s *Session) destinations(l *link) []destination {
	to := l.destination()
	if away := l.session.State().GoAway; away != nil && away.URI != "" {
		next, err := s.redirect(l, away.URI)
		if err != nil {
			if logger := s.linkLogger(l, slog.LevelWarn); logger != nil {
				logger.Warn("redirect refused", "to", transport.RedactURL(away.URI), "error", err)
			}
			if hook := s.policy.Trace.RedirectRefused; hook != nil {
				s.report.enqueueHook(func() { hook(transport.RedactURL(away.URI), err) })
			}
		} else {
			to = newDestination(next, l.home)
		}
	}
	return slices.Compact([]destination{to, {}})
}

// redirect returns the URL to dial when the peer of l names uri, or why that is
// not followed.
func (s *Session) redirect(l *link, uri string) (string, error) {
	return redirect.Follow(s.ctx,
		redirect.Request{URI: uri, From: l.url, Home: l.home, Remote: l.session.State().Remote},
		redirect.Policy{Allow: s.policy.Redirect, Lookup: s.lookup})
}

// lookup finds the addresses of a host, within the time that a dial may take.
func (s *Session) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, s.policy.DialTimeout)
	defer cancel()
	if s.policy.Lookup != nil {
		return s.policy.Lookup(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}
