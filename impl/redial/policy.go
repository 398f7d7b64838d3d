package redial

import (
	"context"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A Policy says how sessions are kept. The zero value is usable.
type Policy struct {
	// Source, if not nil, returns the URL to dial, in place of Dial's, which may
	// then be "": tokens in a URL expire. It is called before each dial, and ctx
	// ends with the session or after DialTimeout, which the dial shares. An
	// error is a failed dial. A redirect is followed with the credentials of the
	// newest URL, where its origin is the same. With a Source, a session that
	// has lasted for ten seconds and is then ended as unauthorized is followed
	// by another one, whatever Permanent says: its token has expired. One that
	// is refused from the start is not. Source may be called concurrently, and
	// must not call the session. auth.Bearer puts a token into a URL.
	Source func(ctx context.Context) (url string, err error)

	// InitialInterval is the mean wait before the second redial. The first comes
	// at once, but only one in a row of sessions that last for less than ten
	// seconds. The wait
	// doubles with each failure, up to MaxInterval; each is drawn at random from
	// half to one and a half times the mean. Zero: 500 ms and 30 s.
	InitialInterval, MaxInterval time.Duration

	// MaxAttempts is how many dials in a row may fail before the session is
	// given up. A session that its server ends before it has admitted it, since
	// nobody could decide ([api.ErrUnavailable]) or its SETUP does not come, is a
	// dial that has failed. New sessions that are dropped beside one that still
	// stands, since their server asks to leave as well, do not count. Zero: no
	// bound.
	MaxAttempts int

	// MaxElapsed is how long there may be no session, or none that is admitted,
	// before the session is given up. Zero: no bound.
	MaxElapsed time.Duration

	// Permanent reports which failed dials are not tried again, and after which
	// ends of a session none follows. Nil is the function [Permanent]. Once there
	// was a session, a server that does not complete the handshake in time is tried
	// again whatever Permanent says, although it may have no version in common:
	// it rather has too much to do.
	Permanent func(err error) bool

	// DialTimeout bounds each dial. Zero: 20 s.
	DialTimeout time.Duration

	// KeepAlive is how long a session may be silent before its peer is asked
	// for a sign of life. Zero: 3 s; negative: the peer is never asked. A server
	// that was killed and started again answers by ending the session, if its
	// key of stateless resets is the same (see impl.Server).
	KeepAlive time.Duration

	// KeepAliveTimeout is how long the answer may take before the session is
	// given up. Zero: as long as KeepAlive, or 10 s where that is zero too.
	KeepAliveTimeout time.Duration

	// ResumeTimeout is how long a track that a new session refuses is asked for
	// again: its publisher may not be back yet. Zero: 1 minute.
	ResumeTimeout time.Duration

	// DrainTimeout is how long a session that its peer wants to end is kept for
	// what is still being read and served. Zero: 1 minute.
	DrainTimeout time.Duration

	// UpgradeInterval is the mean wait until the URL of a session that has
	// fallen back to WebSocket (see [transport.Fallback]) is dialled over QUIC
	// again. While that fails, the waits grow to ten times as long. When it
	// succeeds, everything moves to the new session, as after a GOAWAY. Zero:
	// 30 s; negative: never.
	UpgradeInterval time.Duration

	// Redirect reports whether a GOAWAY may lead to another host; nil allows
	// none. Some redirects are never followed, whatever it says: to a less
	// secure scheme, or from a public host to an address that is not public. It
	// gets copies of the URLs without credentials. It must not call the
	// session.
	Redirect func(from, to *url.URL) bool

	// Lookup finds the addresses of the host of a redirect; nil is the system's
	// resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// Trace has hooks that are called as things happen; nil: none.
	Trace *SessionTrace

	// Logger gets events that no error reports: at Info, that a session is lost,
	// found again (with the id of the one "before"), moved or given up, and that its
	// server goes away; at Warn, dials that fail and what could not be resumed. The
	// attribute "session" is the id of the session beneath, [api.SessionState].ID,
	// as in the lines of the client and the server. URLs are logged without their
	// queries. With a Logger the State of sessions beneath is asked. Nil: the logger
	// of the dialer (see [New]), or nothing is logged.
	Logger *slog.Logger
}

// newBackoff returns a new sequence of growing waits.
func (p *Policy) newBackoff() *backoff.ExponentialBackOff {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval, wait.Multiplier = p.InitialInterval, p.MaxInterval, 2
	return wait
}

// withDefaults returns p with its zero fields set to the defaults.
func (p Policy) withDefaults() Policy {
	fill := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	fill(&p.InitialInterval, 500*time.Millisecond)
	fill(&p.MaxInterval, 30*time.Second)
	p.MaxInterval = max(p.MaxInterval, p.InitialInterval)
	fill(&p.DialTimeout, 20*time.Second)
	if p.KeepAlive == 0 {
		p.KeepAlive = 3 * time.Second
		fill(&p.KeepAliveTimeout, 10*time.Second)
	}
	fill(&p.KeepAliveTimeout, p.KeepAlive)
	if p.UpgradeInterval == 0 {
		p.UpgradeInterval = 30 * time.Second
	}
	fill(&p.ResumeTimeout, time.Minute)
	fill(&p.DrainTimeout, time.Minute)
	if p.Permanent == nil {
		p.Permanent = Permanent
	}
	if p.Trace == nil {
		p.Trace = new(SessionTrace)
	}
	return p
}
