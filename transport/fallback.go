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

// DefaultHeadStart is how long UDP has to get through before TCP is tried as
// well: two round trips around the world, and a third of what a dial may take
// before somebody notices.
const DefaultHeadStart = 500 * time.Millisecond

// memory is how long a host is known to be reached by Second: networks change.
const memory = 10 * time.Minute

// maxHosts bounds how many of them are known.
const maxHosts = 1024

// A Fallback is a [Dialer] for networks that may not let UDP through: it dials
// with First and, when that has failed or had its head start, with Second as
// well. The first connection wins, and nothing is left of the other attempt.
// Where Second has won, it goes first for ten minutes.
//
// A name that is not found, a certificate that is not trusted, or credentials
// that the server refuses are final: the other dialer is not asked.
type Fallback struct {
	// First dials, and Second what First does not reach.
	First, Second Dialer

	// Scheme replaces that of a URL for Second; empty: the same.
	Scheme string

	// HeadStart is that of whoever goes first; zero: DefaultHeadStart.
	HeadStart time.Duration

	mu    sync.Mutex
	hosts map[string]time.Time // until when Second goes first
}

// WithFallback is m with the fallback that each scheme has ([Scheme.Fallback]),
// as far as m has a dialer for it: https:// falls back to wss://, http:// to
// ws://.
func WithFallback(m ByScheme) ByScheme {
	m = maps.Clone(m)
	for _, s := range schemes {
		if first, second := m[s.Name], m[s.Fallback]; first != nil && second != nil {
			m[s.Name] = &Fallback{First: first, Second: second, Scheme: s.Fallback}
		}
	}
	return m
}

// An entrant is one of the two dialers, with its target.
type entrant struct {
	dialer Dialer
	target *Target
	second bool
}

// Dial implements [Dialer]. If both fail, the error tells both, and is First's
// unless Second was refused for want of credentials.
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
	first, second := entrant{dialer: f.First, target: t}, entrant{dialer: f.Second, target: f.other(t), second: true}
	if f.prefersSecond(host) {
		first, second = second, first
	}
	entrants := []entrant{first, second}
	conn, won, failed := f.race().Run(ctx, len(entrants), func(ctx context.Context, i int) (Conn, error) {
		return DialTarget(ctx, entrants[i].dialer, entrants[i].target, protocols)
	})
	if won < 0 {
		return nil, lost(ctx, entrants, failed)
	}
	f.remember(host, entrants[won].second)
	return conn, nil
}

// other is t for Second.
func (f *Fallback) other(t *Target) *Target {
	if f.Scheme == "" {
		return t
	}
	return t.WithScheme(f.Scheme)
}

// race is how the two are dialled with.
func (f *Fallback) race() Race[Conn] {
	return Race[Conn]{
		HeadStart: cmp.Or(f.HeadStart, DefaultHeadStart),
		Discard:   func(c Conn) { _ = c.CloseWithError(0, "") },
		Final:     final,
	}
}

// final tells whether the error of an attempt, that of whoever goes first, is one
// that the other dialer would fail with too.
func final(attempt int, err error) bool {
	e, ok := errors.AsType[*DialError](err)
	return attempt == 0 && (errors.Is(err, ErrUnauthorized) || ok && (e.Phase == PhaseResolve || e.Phase == PhaseTLS))
}

// lost is the error of a race that nobody has won: that of whoever ended it or,
// where both have failed, First's with Second's, or the other way round where
// Second has had an answer.
func lost(ctx context.Context, entrants []entrant, failed []FailedAttempt) error {
	last := failed[len(failed)-1]
	if ctx.Err() != nil || final(last.Attempt, last.Err) || len(failed) < len(entrants) {
		return last.Err
	}
	var first, second *DialError
	for _, f := range failed {
		if entrants[f.Attempt].second {
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

// remember what has worked for a host.
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
	f.hosts[host] = now.Add(memory)
}

// Close closes what can be closed of both.
func (f *Fallback) Close() error {
	var errs []error
	for _, d := range []Dialer{f.First, f.Second} {
		if c, ok := d.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

var _ interface {
	TargetDialer
	io.Closer
} = (*Fallback)(nil)
