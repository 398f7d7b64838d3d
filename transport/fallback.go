package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"
)

// DefaultHeadStart is how long a Fallback waits for the first dialer before it
// starts the second as well: two round trips around the world, and a third of
// the time after which users notice a slow dial.
const DefaultHeadStart = 500 * time.Millisecond

// rememberFor is how long a Fallback remembers that Second reached a host. It is
// limited because clients move between networks.
const rememberFor = 10 * time.Minute

// maxHosts bounds how many hosts are remembered.
const maxHosts = 1024

// A Fallback is a [Dialer] for networks that may block UDP. It dials with
// First and, when First has failed or HeadStart has passed, with Second as
// well. The first connection wins; the other attempt is cancelled and what it
// made is closed. When Second wins, it is dialled first for that host for ten
// minutes.
//
// Some failures of the dialer that goes first are final, and the other one is
// not tried: a host that does not resolve, a failed TLS handshake, and
// credentials that the server refuses.
type Fallback struct {
	// First is dialled first, as a rule, and Second where First does not get
	// through. Both are required.
	First, Second Dialer

	// Scheme replaces the scheme of the URL for Second; empty: the URL is
	// unchanged.
	Scheme string

	// HeadStart is how long the dialer that goes first is alone. Zero:
	// DefaultHeadStart.
	HeadStart time.Duration

	mu    sync.Mutex
	hosts map[string]time.Time // per host, until when Second is dialled first
}

// WithFallback returns a copy of m in which each scheme that has a
// [Scheme.Fallback] in m is served by a [Fallback] of both: https:// falls
// back to wss://, http:// to ws://.
func WithFallback(m ByScheme) ByScheme {
	m = maps.Clone(m)
	for _, s := range schemes {
		if first, second := m[s.Name], m[s.Fallback]; first != nil && second != nil {
			m[s.Name] = &Fallback{First: first, Second: second, Scheme: s.Fallback}
		}
	}
	return m
}

// A candidate is one of the two dialers, with the target that it dials.
type candidate struct {
	dialer Dialer
	target *Target
	second bool
}

// Dial implements [Dialer]. If both dialers fail, the error contains both
// errors and has First's phase and transport, unless Second's matches
// [ErrUnauthorized]: then it has Second's.
func (f *Fallback) Dial(ctx context.Context, url string, protocols []string) (Conn, error) {
	t, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	return f.DialTarget(ctx, t, protocols)
}

// DialTarget implements [TargetDialer].
func (f *Fallback) DialTarget(ctx context.Context, t *Target, protocols []string) (Conn, error) {
	host := t.URL.Host
	if t.Options.NoFallback {
		conn, err := DialTarget(ctx, f.First, t, protocols)
		if err == nil {
			f.remember(host, false)
		}
		return conn, err
	}
	first, second := candidate{dialer: f.First, target: t}, candidate{dialer: f.Second, target: f.secondTarget(t), second: true}
	if f.prefersSecond(host) {
		first, second = second, first
	}
	candidates := []candidate{first, second}
	conn, won, failed := f.race().Run(ctx, len(candidates), func(ctx context.Context, i int) (Conn, error) {
		return DialTarget(ctx, candidates[i].dialer, candidates[i].target, protocols)
	})
	if won < 0 {
		return nil, raceError(ctx, candidates, failed)
	}
	f.remember(host, candidates[won].second)
	return conn, nil
}

// secondTarget returns the target for Second.
func (f *Fallback) secondTarget(t *Target) *Target {
	if f.Scheme == "" {
		return t
	}
	return t.WithScheme(f.Scheme)
}

// race returns the rules of the race between the two dialers.
func (f *Fallback) race() Race[Conn] {
	return Race[Conn]{
		HeadStart: cmp.Or(f.HeadStart, DefaultHeadStart),
		Discard:   func(c Conn) { _ = c.CloseWithError(0, "") },
		Final:     isFinal,
	}
}

// isFinal tells whether an error ends the dial because the other dialer would
// fail too. Only the error of the dialer that went first can.
func isFinal(attempt int, err error) bool {
	e, ok := errors.AsType[*DialError](err)
	return attempt == 0 && (errors.Is(err, ErrUnauthorized) || ok && (e.Phase == PhaseResolve || e.Phase == PhaseTLS))
}

// raceError returns the error of a dial without a winner: the one that ended it
// early or, when both dialers failed, First's joined with Second's (in the
// other order when the server refused Second's credentials).
func raceError(ctx context.Context, candidates []candidate, failed []FailedAttempt) error {
	last := failed[len(failed)-1]
	if ctx.Err() != nil || isFinal(last.Attempt, last.Err) || len(failed) < len(candidates) {
		return last.Err
	}
	var first, second *DialError
	for _, f := range failed {
		if candidates[f.Attempt].second {
			second = asDialError(f.Err)
		} else {
			first = asDialError(f.Err)
		}
	}
	if errors.Is(second, ErrUnauthorized) {
		first, second = second, first
	}
	return &DialError{Transport: first.Transport, Phase: first.Phase, Err: fmt.Errorf("%w (and %w)", first.Err, second)}
}

func asDialError(err error) *DialError {
	if e, ok := errors.AsType[*DialError](err); ok {
		return e
	}
	return &DialError{Phase: PhaseConnect, Err: err}
}

func (f *Fallback) prefersSecond(host string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Before(f.hosts[host])
}

// remember notes which dialer reached a host.
func (f *Fallback) remember(host string, second bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !second {
		delete(f.hosts, host)
		return
	}
	now := time.Now()
	maps.DeleteFunc(f.hosts, func(_ string, until time.Time) bool { return !now.Before(until) })
	if f.hosts == nil || len(f.hosts) >= maxHosts {
		f.hosts = make(map[string]time.Time)
	}
	f.hosts[host] = now.Add(rememberFor)
}

// Close closes First and Second, as far as they are an [io.Closer] (see [As]).
func (f *Fallback) Close() error {
	var errs []error
	for _, d := range []Dialer{f.First, f.Second} {
		if c, ok := As[io.Closer](d); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

var _ interface {
	TargetDialer
	io.Closer
} = (*Fallback)(nil)
