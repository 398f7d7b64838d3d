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
	// InitialInterval is the mean wait before the first redial, MaxInterval
	// what it grows to; each wait is drawn from half to one and a half of it.
	// Zero: 500 ms and 30 s.
	InitialInterval, MaxInterval time.Duration

	// MaxAttempts is how many dials in a row may fail before the session is
	// given up. Zero: no bound.
	MaxAttempts int

	// MaxElapsed is how long there may be no connection before the session is
	// given up. Zero: no bound.
	MaxElapsed time.Duration

	// Permanent tells which failures to dial are not tried again, and which ends
	// of a session not followed by another. Nil is the function [Permanent].
	Permanent func(err error) bool

	// DialTimeout bounds each dial. Zero: 20 s.
	DialTimeout time.Duration

	// KeepAlive is how long a session may be silent before its peer is asked
	// for a sign of life, and again how long the answer may take. Zero: 10 s;
	// negative: never asked.
	KeepAlive time.Duration

	// ResumeTimeout is how long a track that a new session refuses is asked
	// for again, since its publisher may have yet to come back. Zero: 1 minute.
	ResumeTimeout time.Duration

	// DrainTimeout is how long a session that its peer wants ended is kept for
	// what is still under way. Zero: 1 minute.
	DrainTimeout time.Duration

	// UpgradeInterval is how long after a session has fallen back to WebSocket
	// (see [transport.Fallback]) its URL is dialled over QUIC again, on average;
	// while that fails, the waits grow to ten times as long. When it succeeds,
	// everything goes over to the new session, as after a GOAWAY. Zero: 30 s;
	// negative: never.
	UpgradeInterval time.Duration

	// Redirect allows a GOAWAY to lead to another host; nil allows none. It
	// cannot allow what is never followed: a less secure scheme, or an address
	// that is not public from a host that is. It gets copies without
	// credentials, and must not call the session.
	Redirect func(from, to *url.URL) bool

	// Lookup finds the addresses of the host of a redirect; nil is the system's
	// resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// Trace is told what happens; nil is not.
	Trace *SessionTrace

	// Logger gets what no error tells; nil: silence.
	Logger *slog.Logger
}

// pause is a new sequence of growing waits.
func (p *Policy) pause() *backoff.ExponentialBackOff {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval, wait.Multiplier = p.InitialInterval, p.MaxInterval, 2
	return wait
}

// withDefaults is p with its zero fields filled in.
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
		p.KeepAlive = 10 * time.Second
	}
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
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	return p
}
