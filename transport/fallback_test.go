package transport_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// A dialling is a scripted dial: it takes some time, and makes a connection
// unless err is set.
type dialling struct {
	transport.Dialer
	name  string
	takes time.Duration
	err   error
	calls []string
	ended []error // of the contexts
	conns []*connection
}

type connection struct {
	transport.Conn
	name   string
	closed bool
}

func (c *connection) CloseWithError(uint64, string) error {
	c.closed = true
	return nil
}

func (d *dialling) Dial(ctx context.Context, url string, _ []string) (transport.Conn, error) {
	d.calls = append(d.calls, url)
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		d.ended = append(d.ended, ctx.Err())
		return nil, &transport.DialError{Transport: d.name, Phase: transport.PhaseConnect, Err: ctx.Err()}
	}
	if d.err != nil {
		return nil, d.err
	}
	c := &connection{name: d.name}
	d.conns = append(d.conns, c)
	return c, nil
}

func failing(phase transport.Phase, err error) error {
	return &transport.DialError{Phase: phase, Err: err}
}

func TestFallback(t *testing.T) {
	refused := errors.New("connection refused")
	tests := []struct {
		name          string
		udp, tcp      dialling
		wins          string
		is            error
		takes         time.Duration
		first, second int // how often each is dialled
	}{
		{name: "UDP gets through", udp: dialling{takes: 100 * time.Millisecond}, wins: "udp", takes: 100 * time.Millisecond, first: 1},
		{name: "UDP takes long, and is faster", udp: dialling{takes: 600 * time.Millisecond}, tcp: dialling{takes: 200 * time.Millisecond},
			wins: "udp", takes: 600 * time.Millisecond, first: 1, second: 1},
		{name: "UDP is dropped", udp: dialling{takes: time.Hour}, tcp: dialling{takes: 200 * time.Millisecond},
			wins: "tcp", takes: 700 * time.Millisecond, first: 1, second: 1},
		{name: "UDP is refused", udp: dialling{err: failing(transport.PhaseConnect, refused)}, tcp: dialling{takes: 200 * time.Millisecond},
			wins: "tcp", takes: 200 * time.Millisecond, first: 1, second: 1},
		{name: "no version by UDP", udp: dialling{err: failing(transport.PhaseNegotiate, transport.ErrNoCommonProtocol)},
			wins: "tcp", first: 1, second: 1},
		{name: "unauthorized", udp: dialling{err: failing(transport.PhaseUpgrade, transport.ErrUnauthorized)},
			is: transport.ErrUnauthorized, first: 1},
		{name: "untrusted", udp: dialling{err: failing(transport.PhaseTLS, errUntrusted)}, is: errUntrusted, first: 1},
		{name: "unknown host", udp: dialling{err: failing(transport.PhaseResolve, refused)}, is: refused, first: 1},
		{name: "both fail", udp: dialling{err: failing(transport.PhaseConnect, refused)}, tcp: dialling{err: failing(transport.PhaseUpgrade, transport.ErrNotFound)},
			is: transport.ErrNotFound, first: 1, second: 1},
		{name: "TCP is untrusted while UDP is under way", udp: dialling{takes: time.Second}, tcp: dialling{err: failing(transport.PhaseTLS, errUntrusted)},
			wins: "udp", takes: time.Second, first: 1, second: 1},
		{name: "TCP is refused while UDP is under way", udp: dialling{takes: time.Second}, tcp: dialling{err: failing(transport.PhaseConnect, refused)},
			wins: "udp", takes: time.Second, first: 1, second: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.udp.name, test.tcp.name = "udp", "tcp"
				f := fallback(&test.udp, &test.tcp)
				began := time.Now()
				conn, err := f.Dial(t.Context(), "https://relay.example/path?jwt=x", []string{"moq-lite-06"})
				switch took := time.Since(began); {
				case test.is != nil:
					if !errors.Is(err, test.is) {
						t.Errorf("%v, want %v", err, test.is)
					}
				case err != nil:
					t.Fatal(err)
				case conn.(*connection).name != test.wins || took != test.takes:
					t.Errorf("%s after %v, want %s after %v", conn.(*connection).name, took, test.wins, test.takes)
				}
				if len(test.udp.calls) != test.first || len(test.tcp.calls) != test.second {
					t.Errorf("dialled %v and %v", test.udp.calls, test.tcp.calls)
				}
				for _, url := range test.tcp.calls {
					if url != "wss://relay.example/path?jwt=x" {
						t.Errorf("dialled %s", url)
					}
				}
				for _, c := range append(test.udp.conns, test.tcp.conns...) {
					if c != conn && !c.closed {
						t.Errorf("a connection by %s is left open", c.name)
					}
				}
			})
		})
	}
}

var errUntrusted = errors.New("untrusted")

func fallback(udp, tcp transport.Dialer) transport.Dialer {
	return transport.WithFallback(transport.ByScheme{"https": udp, "wss": tcp})["https"]
}

func TestFallbackTellsBothFailures(t *testing.T) {
	tests := []struct {
		udp, tcp error
		want     string
	}{
		{errors.New("no answer"), errors.New("HTTP status 502"), "udp: connect: no answer (and tcp: upgrade: HTTP status 502)"},
		{errors.New("no answer"), transport.ErrUnauthorized, "tcp: upgrade: unauthorized (and udp: connect: no answer)"},
	}
	for _, test := range tests {
		f := fallback(
			&dialling{err: &transport.DialError{Transport: "udp", Phase: transport.PhaseConnect, Err: test.udp}},
			&dialling{err: &transport.DialError{Transport: "tcp", Phase: transport.PhaseUpgrade, Err: test.tcp}},
		)
		_, err := f.Dial(t.Context(), "https://relay.example", nil)
		if fmt.Sprint(err) != test.want || !errors.Is(err, test.udp) || !errors.Is(err, test.tcp) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

// TestFallbackRemembers checks that the dialer that reached a host goes first
// there for a while.
func TestFallbackRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		udp, tcp := &dialling{name: "udp", takes: time.Hour}, &dialling{name: "tcp", takes: time.Millisecond}
		f := fallback(udp, tcp)
		dial := func(url string) (name string, took time.Duration) {
			t.Helper()
			began := time.Now()
			c, err := f.Dial(t.Context(), url, nil)
			if err != nil {
				t.Fatal(err)
			}
			return c.(*connection).name, time.Since(began)
		}
		expect := func(url, name string, takes time.Duration) {
			t.Helper()
			if got, took := dial(url); got != name || took != takes {
				t.Errorf("%s by %s in %v, want by %s in %v", url, got, took, name, takes)
			}
		}
		headStart := transport.DefaultHeadStart
		expect("https://a.example", "tcp", headStart+time.Millisecond)
		expect("https://a.example/elsewhere", "tcp", time.Millisecond)
		expect("https://b.example", "tcp", headStart+time.Millisecond)
		udp.takes = 10 * time.Millisecond
		expect("https://a.example", "tcp", time.Millisecond)
		time.Sleep(10 * time.Minute)
		expect("https://a.example", "udp", 10*time.Millisecond)

		tcp.takes, udp.takes = time.Hour, 2*headStart
		expect("https://b.example", "udp", 2*headStart)
		udp.takes, tcp.takes = time.Hour, time.Millisecond
		expect("https://b.example", "tcp", headStart+time.Millisecond)
		tcp.takes, udp.takes = time.Hour, time.Millisecond
		expect("https://b.example", "udp", headStart+time.Millisecond)
		expect("https://b.example", "udp", time.Millisecond)
	})
}

func TestFallbackGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		udp, tcp := &dialling{takes: time.Hour}, &dialling{takes: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := fallback(udp, tcp).Dial(ctx, "https://relay.example", nil)
		if !errors.Is(err, context.DeadlineExceeded) || len(udp.ended) != 1 || len(tcp.ended) != 1 {
			t.Errorf("%v; %v and %v", err, udp.ended, tcp.ended)
		}
	})
}

func TestWithFallbackNeedsBoth(t *testing.T) {
	m := transport.WithFallback(transport.ByScheme{"https": &dialling{}, "moqt": &dialling{}})
	for scheme, d := range m {
		if _, ok := d.(*dialling); !ok {
			t.Errorf("%s:// falls back to what is not there: %T", scheme, d)
		}
	}
	_, err := m.Dial(t.Context(), "wss://relay.example", nil)
	if err == nil || !strings.Contains(err.Error(), "unsupported") {
		t.Error(err)
	}
}

// TestWithoutFallback dials with First alone, which is remembered if it works.
func TestWithoutFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		udp, tcp := &dialling{name: "udp", err: errors.New("no answer")}, &dialling{name: "tcp", takes: time.Millisecond}
		f := transport.WithFallback(transport.ByScheme{"https": udp, "wss": tcp})
		dial := func(o transport.DialOptions) (transport.Conn, error) {
			target, err := transport.ParseURL("https://a.example")
			if err != nil {
				t.Fatal(err)
			}
			target.Options = o
			return f.DialTarget(t.Context(), target, nil)
		}
		alone := transport.DialOptions{NoFallback: true}
		if c, err := dial(transport.DialOptions{}); err != nil || c.(*connection).name != "tcp" {
			t.Fatalf("%v, %v", c, err)
		}
		if c, err := dial(alone); !errors.Is(err, udp.err) || len(tcp.calls) != 1 {
			t.Errorf("alone: %v, %v", c, err)
		}
		udp.err = nil
		for _, o := range []transport.DialOptions{alone, {}} {
			if c, err := dial(o); err != nil || c.(*connection).name != "udp" {
				t.Errorf("%v, %v", c, err)
			}
		}
	})
}
