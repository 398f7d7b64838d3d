package memconn_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

func listen(t *testing.T, n *memconn.Network, host string, o *memconn.ListenOptions, protocols ...string) transport.Listener {
	t.Helper()
	if protocols == nil {
		protocols = []string{version}
	}
	l, err := n.Listen(host, protocols, o)
	do(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func TestDialTakesAnySchemeAndCase(t *testing.T) {
	var n memconn.Network
	listen(t, &n, "Relay.Example:4443", nil)
	for _, u := range []string{"https://relay.example:4443/x?y=z", "moqt://RELAY.example:4443", "memory://u:p@relay.example:4443/"} {
		c, err := n.Dial(t.Context(), u, []string{version})
		if err != nil {
			t.Errorf("Dial(%q): %v", u, err)
			continue
		}
		c.CloseWithError(0, "")
	}
}

func TestListenerPrefersItsOwnOrder(t *testing.T) {
	var n memconn.Network
	l := listen(t, &n, "host", nil, "c", "b", "a")
	client, err := n.Dial(t.Context(), "x://host", []string{"a", "b"})
	do(t, err)
	server, err := l.Accept(t.Context())
	do(t, err)
	if c, s := client.State().Protocol, server.State().Protocol; c != "b" || s != "b" {
		t.Errorf("negotiated %q and %q, want b", c, s)
	}
}

func TestStateOfDialledConnection(t *testing.T) {
	var n memconn.Network
	l := listen(t, &n, "host:1", nil)
	client, err := n.Dial(t.Context(), "x://host:1/path?q=1", []string{version})
	do(t, err)
	server, err := l.Accept(t.Context())
	do(t, err)
	c, s := client.State(), server.State()
	for _, st := range []transport.State{c, s} {
		if st.URL.String() != "x://host:1/path?q=1" || !st.CarriesURL || st.Transport != "memory" || st.TLS != nil {
			t.Errorf("state is %+v", st)
		}
	}
	if c.URL == s.URL {
		t.Error("both ends share one URL")
	}
	if c.Remote != l.Addr() || s.Local != l.Addr() || c.Local != s.Remote || c.Local.Network() != "memory" {
		t.Errorf("addresses are %v → %v and %v → %v", c.Local, c.Remote, s.Local, s.Remote)
	}
}

func TestDialErrors(t *testing.T) {
	var n memconn.Network
	listen(t, &n, "host", nil)
	for _, c := range []struct {
		url       string
		phase     transport.Phase
		protocols []string
		target    error
	}{
		{"x://secret\x7f@host", transport.PhaseResolve, []string{version}, nil},
		{"/only/a/path", transport.PhaseResolve, []string{version}, nil},
		{"x://secret@other:1/secret", transport.PhaseConnect, []string{version}, nil},
		{"x://host", transport.PhaseNegotiate, []string{"secret"}, transport.ErrNoCommonProtocol},
		{"x://host", transport.PhaseNegotiate, nil, transport.ErrNoCommonProtocol},
	} {
		conn, err := n.Dial(t.Context(), c.url, c.protocols)
		wantDialError(t, err, c.phase, c.target)
		if conn != nil {
			t.Errorf("%q: Dial gave an error and %v", c.url, conn)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the URL: %v", err)
		}
	}
}

func TestDialNamesTheHostWhereNothingListens(t *testing.T) {
	var n memconn.Network
	_, err := n.Dial(t.Context(), "x://nobody:1", []string{version})
	if want := `memory: connect: nothing listens at "nobody:1"`; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestListenErrors(t *testing.T) {
	var n memconn.Network
	l := listen(t, &n, "host", nil)
	if _, err := n.Listen("HOST", []string{version}, nil); err == nil {
		t.Error("two listen at one host")
	}
	if _, err := n.Listen("other", nil, nil); err == nil {
		t.Error("listening for nothing")
	}
	do(t, l.Close())
	again := listen(t, &n, "host", nil)
	do(t, l.Close())
	if _, err := n.Dial(t.Context(), "x://host", []string{version}); err != nil {
		t.Errorf("the second Close of the first listener took away %v: %v", again.Addr(), err)
	}
}

func TestAuthorize(t *testing.T) {
	var n memconn.Network
	l := listen(t, &n, "host", &memconn.ListenOptions{
		Authorize: func(ctx context.Context, s transport.State) error {
			switch s.URL.Query().Get("jwt") {
			case "good":
				return ctx.Err()
			case "":
				return transport.ErrUnauthorized
			}
			return fmt.Errorf("%s: %w", s.Protocol, transport.ErrNotFound)
		},
	})
	_, err := n.Dial(t.Context(), "x://host/", []string{version})
	wantDialError(t, err, transport.PhaseUpgrade, transport.ErrUnauthorized)
	_, err = n.Dial(t.Context(), "x://host/?jwt=other", []string{version})
	wantDialError(t, err, transport.PhaseUpgrade, transport.ErrNotFound)

	_, err = n.Dial(t.Context(), "x://host/?jwt=good", []string{version})
	do(t, err)
	s, err := l.Accept(t.Context())
	do(t, err)
	if s.State().URL.RawQuery != "jwt=good" {
		t.Errorf("accepted the refused %v", s.State().URL)
	}
}

func TestDialWaitsForTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memconn.Network
		l := listen(t, &n, "host", nil)
		for range 32 {
			_, err := n.Dial(t.Context(), "x://host", []string{version})
			do(t, err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := n.Dial(t.Context(), "x://host", []string{version})
			done <- err
		}()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("the dial did not wait: %v", err)
		default:
		}
		_, err := l.Accept(t.Context())
		do(t, err)
		do(t, <-done)
	})
}

func TestListenerCloseReleasesWaitingDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memconn.Network
		l := listen(t, &n, "host", &memconn.ListenOptions{Backlog: 1})
		queued, err := n.Dial(t.Context(), "x://host", []string{version})
		do(t, err)
		done := make(chan error, 1)
		go func() {
			_, err := n.Dial(t.Context(), "x://host", []string{version})
			done <- err
		}()
		synctest.Wait()
		do(t, l.Close())
		wantDialError(t, <-done, transport.PhaseConnect, nil)
		<-queued.Context().Done()
		if _, err := l.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
	})
}

func TestDialTakesARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memconn.Network{Config: &memconn.Config{OneWayDelay: 30 * time.Millisecond}}
		listen(t, &n, "host", &memconn.ListenOptions{Config: &memconn.Config{OneWayDelay: 20 * time.Millisecond}})
		start := time.Now()
		c, err := n.Dial(t.Context(), "x://host", []string{version})
		do(t, err)
		if d := time.Since(start); d != 50*time.Millisecond {
			t.Errorf("the dial took %v, want 50ms", d)
		}
		if s := c.(*memconn.Conn).Stats(); s.RTT != 50*time.Millisecond {
			t.Errorf("RTT is %v", s.RTT)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err = n.Dial(ctx, "x://host", []string{version})
		wantDialError(t, err, transport.PhaseConnect, context.DeadlineExceeded)
	})
}

// A Network may be a variable of a package.
var global memconn.Network

func TestNetworkFromOutsideTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, &global, "host", nil)
		go global.Dial(t.Context(), "x://host", []string{version})
		_, err := l.Accept(t.Context())
		do(t, err)
	})
}
