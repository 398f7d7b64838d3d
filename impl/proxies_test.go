package impl_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"testing"

	"github.com/pires/go-proxyproto"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/wsconn"
)

// clientBehind is the client that the proxies of these tests name.
const clientBehind = "203.0.113.7:4711"

// remotes starts a server that reports the remote addresses of its sessions.
func remotes(t *testing.T, trusted ...netip.Prefix) (addr string, came chan net.Addr) {
	t.Helper()
	theirs, _ := certificate(t)
	came = make(chan net.Addr, 1)
	return serve(t, &impl.Server{
		TLSConfig: theirs, Mux: api.NewTrackMux(), TrustedProxies: trusted,
		Handler: func(s api.Session) { came <- s.State().Remote },
	}), came
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// TestProxyProtocol connects through a proxy that names its client in both
// versions of the PROXY protocol, with each protocol over TCP.
func TestProxyProtocol(t *testing.T) {
	addr, came := remotes(t, loopback)
	for _, scheme := range []string{"tcp", "tls", "ws", "wss"} {
		for _, version := range []byte{0, 1, 2} { // 0: without a header
			d := &wsconn.Dialer{
				TLSConfig: &tls.Config{InsecureSkipVerify: true},
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, network, address)
					if err == nil && version > 0 {
						from := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(clientBehind))
						_, err = proxyproto.HeaderProxyFromAddrs(version, from, c.RemoteAddr()).WriteTo(c)
					}
					return c, err
				},
			}
			c := client(t, &impl.Client{Transport: d})
			s, err := c.Dial(t.Context(), scheme+"://"+addr, api.NewTrackMux())
			if err != nil {
				t.Fatalf("%s, version %d: %v", scheme, version, err)
			}
			remote := (<-came).String()
			if behind := remote == clientBehind; behind != (version > 0) {
				t.Errorf("%s, version %d: comes from %s", scheme, version, remote)
			}
			_ = s.Terminate(api.SessionNoError, "")
		}
	}
}

// TestProxyProtocolFromAnybody checks that a PROXY header from an untrusted
// address is refused.
func TestProxyProtocolFromAnybody(t *testing.T) {
	addr, _ := remotes(t, netip.MustParsePrefix("198.51.100.0/24"))
	d := &wsconn.Dialer{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			from := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(clientBehind))
			_, err = proxyproto.HeaderProxyFromAddrs(1, from, c.RemoteAddr()).WriteTo(c)
		}
		return c, err
	}}
	c := client(t, &impl.Client{Transport: d})
	if s, err := c.Dial(t.Context(), "ws://"+addr, api.NewTrackMux()); err == nil {
		t.Errorf("let in, from %v", s.State().Remote)
	}
}

// TestForwardedFor connects through a reverse proxy. Its X-Forwarded-For
// counts if it is trusted, but not the entries that the client has added.
func TestForwardedFor(t *testing.T) {
	for _, test := range []struct {
		name    string
		trusted []netip.Prefix
		says    string // X-Forwarded-For, as it reaches the proxy
		want    string // "" is the proxy itself
	}{
		{"trusted", []netip.Prefix{loopback}, "203.0.113.7", "203.0.113.7"},
		{"with a port", []netip.Prefix{loopback}, "[2001:db8::7]:80", "2001:db8::7"},
		{"a claim before a client that is no proxy", []netip.Prefix{loopback}, "192.0.2.1, 203.0.113.7", "203.0.113.7"},
		{"two proxies", []netip.Prefix{loopback, netip.MustParsePrefix("203.0.113.0/24")}, "192.0.2.1, 203.0.113.7", "192.0.2.1"},
		{"no address", []netip.Prefix{loopback}, "unknown", ""},
		{"nothing", []netip.Prefix{loopback}, "", ""},
		{"not trusted", nil, "203.0.113.7", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr, came := remotes(t, test.trusted...)
			proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: addr})
				if test.says != "" {
					r.Out.Header = r.Out.Header.Clone()
					r.Out.Header.Set("X-Forwarded-For", test.says)
				}
			}})
			defer proxy.Close()
			c := client(t, &impl.Client{Transport: new(wsconn.Dialer)})
			if _, err := c.Dial(t.Context(), "ws://"+proxy.Listener.Addr().String(), api.NewTrackMux()); err != nil {
				t.Fatal(err)
			}
			host, _, err := net.SplitHostPort((<-came).String())
			if want := test.want; err != nil || host != want && !(want == "" && host == "127.0.0.1") {
				t.Errorf("comes from %s, %v; want %q", host, err, want)
			}
			c.Close()
		})
	}
}
