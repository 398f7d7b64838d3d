package transport

import (
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

// An entrant is one of the two dialers, and what became of it.
type entrant struct {
	dialer Dialer
	target *Target
	second bool
	conn   Conn
	err    error
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
	first, second := &entrant{dialer: f.First, target: t}, &entrant{dialer: f.Second, target: f.other(t), second: true}
	if f.prefersSecond(host) {
		first, second = second, first
	}
	won, err := f.race(ctx, protocols, first, second)
	if err != nil {
		return nil, err
	}
	f.remember(host, won.second)
	return won.conn, nil
}

// other is t for Second.
func (f *Fallback) other(t *Target) *Target {
	if f.Scheme == "" {
		return t
	}
	return t.WithScheme(f.Scheme)
}

// race returns when both are over; what the loser made is closed.
func (f *Fallback) race(ctx context.Context, protocols []string, first, second *entrant) (*entrant, error) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan *entrant, 2)
	running := 0
	start := func(e *entrant) {
		running++
		go func() {
			e.conn, e.err = DialTarget(ctx, e.dialer, e.target, protocols)
			over <- e
		}()
	}
	defer func() {
		cancel()
		for ; running > 0; running-- {
			if e := <-over; e.conn != nil {
				_ = e.conn.CloseWithError(0, "")
			}
		}
	}()
	headStart := f.HeadStart
	if headStart == 0 {
		headStart = DefaultHeadStart
	}
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	next := second
	for start(first); ; {
		select {
		case e := <-over:
			running--
			switch {
			case e.err == nil:
				return e, nil
			case e == first && final(e.err), ctx.Err() != nil:
				return nil, e.err
			case next == nil && running == 0:
				return nil, bothFailed(first, second)
			}
		case <-timer.C:
		}
		if next != nil {
			start(next)
			next = nil
		}
	}
}

// final tells what the other dialer would fail with too.
func final(err error) bool {
	e, ok := errors.AsType[*DialError](err)
	return errors.Is(err, ErrUnauthorized) || ok && (e.Phase == PhaseResolve || e.Phase == PhaseTLS)
}

// bothFailed is First's error, and tells Second's, or the other way round where
// Second has had an answer.
func bothFailed(a, b *entrant) error {
	if a.second {
		a, b = b, a
	}
	main, other := asDialError(a.err), asDialError(b.err)
	if errors.Is(other, ErrUnauthorized) {
		main, other = other, main
	}
	return &DialError{Transport: main.Transport, Phase: main.Phase, Err: fmt.Errorf("%w (and %w)", main.Err, other)}
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
