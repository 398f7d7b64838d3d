package redial_test

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// An asking dialer records the options that reach a transport.
type asking struct {
	transport.TargetDialer
	mu      sync.Mutex
	options []transport.DialOptions
}

func (d *asking) DialTarget(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	d.mu.Lock()
	d.options = append(d.options, t.Options)
	d.mu.Unlock()
	return d.TargetDialer.DialTarget(ctx, t, protocols)
}

// TestDialsAgainOverASocketOfItsOwn: each session but the first asks the
// client's transport for a socket of its own, since the route to a server that
// is about to stop may depend on the port.
func TestDialsAgainOverASocketOfItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server := newNode(api.NewTrackMux(), nil, 0)
		defer server.Close()
		client := server.Client()
		d := &asking{TargetDialer: server.Network}
		client.Transport = d
		s := dial(t, client, server.URL, quick(), nil)
		defer s.Terminate(api.SessionNoError, "")
		for range 2 {
			synctest.Wait() // the server has accepted what it severs
			server.Sever()
			time.Sleep(5 * time.Second)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		own := transport.DialOptions{OwnSocket: true}
		if want := []transport.DialOptions{{}, own, own}; !reflect.DeepEqual(d.options, want) {
			t.Errorf("asked for %+v, want %+v", d.options, want)
		}
	})
}

// A leading dialer dials one server whatever the URL, and records the headers
// that it is to send.
type leading struct {
	transport.Dialer
	to string

	mu   sync.Mutex
	sent []string
}

func (d *leading) DialTarget(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	d.mu.Lock()
	d.sent = append(d.sent, t.URL.Host+" "+t.Options.Header.Get("X-Secret"))
	d.mu.Unlock()
	return d.Dial(ctx, d.to, protocols)
}

// TestHeaderStaysAtItsOrigin: the client's header is sent again when a session
// is dialled again, and not where a redirect leads, another port of the same
// host included.
func TestHeaderStaysAtItsOrigin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server := newNode(api.NewTrackMux(), nil, 0)
		defer server.Close()
		client := server.Client()
		d := &leading{Dialer: server.Network, to: server.URL}
		client.Transport = d
		client.Header = http.Header{"X-Secret": {"secret"}}
		policy := quick()
		policy.Redirect = func(_, to *url.URL) bool { return true }
		policy.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
		s := dial(t, client, "https://here.example", policy, nil)
		defer s.Terminate(api.SessionNoError, "")
		for _, uri := range []string{"https://here.example:443/other", "https://there.example", "https://here.example:4443", "/home", "https://here.example"} {
			time.Sleep(20 * time.Second)
			server.goAwayLast(t, uri)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		want := []string{"here.example secret", "here.example:443 secret", "there.example ", "here.example:4443 ", "here.example:4443 ", "here.example secret"}
		if !slices.Equal(d.sent, want) {
			t.Errorf("dialled with\n%q\nwant\n%q", d.sent, want)
		}
	})
}
