package wtconn_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/internal/listentest"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/tlspin"
	"github.com/moqlite/moqlite/transport/transporttest"
	"github.com/moqlite/moqlite/transport/wtconn"
)

// wantDialError checks the phase and text of an error, and that the text
// contains no secret.
func wantDialError(t *testing.T, err error, phase transport.Phase, text string, matches ...error) {
	t.Helper()
	d, ok := err.(*transport.DialError)
	if !ok {
		t.Fatalf("error is %v (%T)", err, err)
	}
	if d.Transport != "webtransport" || d.Phase != phase || !strings.Contains(d.Error(), text) {
		t.Errorf("%q is of phase %q and transport %q, want phase %q and %q", d, d.Phase, d.Transport, phase, text)
	}
	if strings.Contains(d.Error(), "secret") {
		t.Errorf("%q tells the token", d)
	}
	for _, m := range matches {
		if !errors.Is(err, m) {
			t.Errorf("%q does not match %q", err, m)
		}
	}
}

func dialFails(t *testing.T, d *wtconn.Dialer, url string, protocols ...string) error {
	t.Helper()
	if len(protocols) == 0 {
		protocols = []string{protocol}
	}
	c, err := d.Dial(t.Context(), url, protocols)
	if err == nil {
		c.CloseWithError(0, "")
		t.Fatalf("reached %s", url)
	}
	return err
}

func TestDialBadURL(t *testing.T) {
	transporttest.NoLeaks(t)
	d := new(wtconn.Dialer)
	defer d.Close()
	for url, text := range map[string]string{
		"https://ho st/?jwt=secret":                "malformed URL",
		"https:///path?jwt=secret":                 "names no host",
		"https://localhost:99999/?jwt=secret":      "port",
		"moqt://localhost/?jwt=secret":             "unsupported URL scheme",
		"https://nosuchhost.invalid:1/?jwt=secret": "nosuchhost.invalid",
	} {
		wantDialError(t, dialFails(t, d, url), transport.PhaseResolve, text)
	}
	wantDialError(t, dialFails(t, d, "moqt://localhost/"), transport.PhaseResolve, "https://", transport.ErrUnsupportedScheme)
	_, err := d.Dial(t.Context(), "https://localhost/", nil)
	wantDialError(t, err, transport.PhaseNegotiate, "none is offered", transport.ErrNoCommonProtocol)
}

func TestDialQUICFails(t *testing.T) {
	transporttest.NoLeaks(t)
	l, _ := listen(t, nil, []string{protocol})
	d := &wtconn.Dialer{QUICConfig: &quic.Config{HandshakeIdleTimeout: 500 * time.Millisecond}}
	defer d.Close()
	err := dialFails(t, d, l.url())
	wantDialError(t, err, transport.PhaseTLS, "fingerprint")
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("%v is no UnknownAuthorityError", err)
	}
	wantDialError(t, dialFails(t, d, "https://"+listentest.SilentUDP(t)+"/?jwt=secret"), transport.PhaseConnect, "UDP may be blocked")
}

// The server speaks native QUIC and no HTTP/3.
func TestDialNoHTTP(t *testing.T) {
	transporttest.NoLeaks(t)
	serverTLS, clientTLS := certtest.Pair(t)
	l, err := quicconn.Listen("127.0.0.1:0", serverTLS, nil, quicconn.ListenOptions{Protocols: []string{protocol}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := &wtconn.Dialer{TLSConfig: clientTLS}
	defer d.Close()
	err = dialFails(t, d, "https://"+l.Addr().String())
	wantDialError(t, err, transport.PhaseNegotiate, "h3", transport.ErrNoCommonProtocol)
}

// A dial that is cancelled while the server decides leaves nothing behind.
func TestDialCancelled(t *testing.T) {
	transporttest.NoLeaks(t)
	reason := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	refused := make(chan error, 1)
	l, d := listen(t, nil, []string{protocol}, accepting(func(ctx context.Context, _ transport.State) (func(transport.Conn), error) {
		cancel(reason)
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
		refused <- ctx.Err()
		return nil, errors.New("too late")
	}))
	_, err := d.Dial(ctx, l.url(), []string{protocol})
	wantDialError(t, err, transport.PhaseUpgrade, "the caller's reason", reason)
	if err := <-refused; err == nil {
		t.Error("the server was not told")
	}
}

func TestStatuses(t *testing.T) {
	transporttest.NoLeaks(t)
	l, d := listen(t, nil, []string{protocol}, accepting(func(_ context.Context, s transport.State) (func(transport.Conn), error) {
		switch s.URL.Path {
		case "/closed":
			return nil, fmt.Errorf("no: %w", transport.ErrUnauthorized)
		case "/missing":
			return nil, transport.ErrNotFound
		case "/panic":
			panic("at the door")
		case "/nobody":
			return nil, nil
		}
		return nil, errors.New("broken")
	}))
	at := func(path string) error { return dialFails(t, d, "https://"+l.Addr().String()+path+"?jwt=secret") }
	wantDialError(t, at("/closed"), transport.PhaseUpgrade, "401", transport.ErrUnauthorized)
	wantDialError(t, at("/missing"), transport.PhaseUpgrade, "404", transport.ErrNotFound)
	wantDialError(t, at("/panic"), transport.PhaseUpgrade, "500")
	wantDialError(t, at("/nobody"), transport.PhaseUpgrade, "500")
	wantDialError(t, at("/"), transport.PhaseUpgrade, "500")
}

func TestOrigins(t *testing.T) {
	transporttest.NoLeaks(t)
	l, d := listen(t, nil, []string{protocol}, func(s *wtconn.Server) {
		s.Origins = []string{"https://app.example", "https://other.example:8443/"}
	})
	for origin, ok := range map[string]bool{
		"": true, "https://app.example": true, "HTTPS://APP.example": true, "https://other.example:8443": true,
		"http://app.example": false, "https://app.example:444": false, "https://app.example.evil": false, "null": false,
	} {
		d.Header = nil
		if origin != "" {
			d.Header = http.Header{"Origin": {origin}}
		}
		c, err := d.Dial(t.Context(), l.url(), []string{protocol})
		if ok && err != nil {
			t.Errorf("origin %q: %v", origin, err)
		}
		if !ok {
			wantDialError(t, err, transport.PhaseUpgrade, "403", transport.ErrUnauthorized)
		}
		if err == nil {
			c.CloseWithError(0, "")
		}
	}
}

// The server's order decides, whatever the client's is.
func TestServerPrefers(t *testing.T) {
	transporttest.NoLeaks(t)
	l, d := listen(t, nil, []string{"moq-lite-06", "moq-lite-05"})
	for _, offer := range [][]string{{"moq-lite-05", "moq-lite-06"}, {"moq-lite-99", "moq-lite-06", "moq-lite-05"}} {
		c, err := d.Dial(t.Context(), l.url(), offer)
		if err != nil {
			t.Fatal(err)
		}
		if p := c.State().Protocol; p != "moq-lite-06" {
			t.Errorf("of %q: %q", offer, p)
		}
		c.CloseWithError(0, "")
	}
}

// listenTwice listens on a UDP port and on the TCP port with the same number.
func listenTwice(t *testing.T) (l *listener, trusting *wtconn.Dialer, tcp net.Listener) {
	t.Helper()
	var err error
	for range 20 { // it may be taken
		l, trusting = listen(t, nil, []string{protocol})
		if tcp, err = net.Listen("tcp", l.Addr().String()); err == nil {
			return l, trusting, tcp
		}
	}
	t.Fatal(err)
	return nil, nil, nil
}

// publish serves a fingerprint.
func publish(t *testing.T, tcp net.Listener, status int, body string) {
	t.Helper()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/certificate.sha256" || r.URL.RawQuery != "" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
		w.Write([]byte(body))
	})}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(tcp) }()
	t.Cleanup(func() { server.Close(); <-done })
}

func TestDevelopmentServer(t *testing.T) {
	other := certtest.Fingerprint(certtest.New(t, certtest.Options{}))
	for name, c := range map[string]struct {
		status int
		body   func(tlspin.Fingerprint) string
		phase  transport.Phase // of the error; empty: none
		text   string
	}{
		"published":      {200, func(f tlspin.Fingerprint) string { return hex.EncodeToString(f[:]) + "\n" }, "", ""},
		"another":        {200, func(tlspin.Fingerprint) string { return hex.EncodeToString(other[:]) }, transport.PhaseTLS, "another fingerprint"},
		"malformed":      {200, func(tlspin.Fingerprint) string { return "<html>" }, transport.PhaseConnect, "64 hexadecimal digits"},
		"endless":        {200, func(tlspin.Fingerprint) string { return strings.Repeat("0", 1<<20) }, transport.PhaseConnect, "64 hexadecimal digits"},
		"not published":  {404, func(tlspin.Fingerprint) string { return "" }, transport.PhaseConnect, "404"},
		"moved, perhaps": {302, func(tlspin.Fingerprint) string { return "" }, transport.PhaseConnect, "302"},
	} {
		t.Run(name, func(t *testing.T) {
			transporttest.NoLeaks(t)
			l, trusting, tcp := listenTwice(t)
			f := certtest.Fingerprint(tls.Certificate{Certificate: [][]byte{l.leaf}})
			publish(t, tcp, c.status, c.body(f))
			url := "http://" + l.Addr().String() + "/live?jwt=secret"
			d := new(wtconn.Dialer)
			defer d.Close()
			if c.phase != "" {
				wantDialError(t, dialFails(t, d, url), c.phase, c.text)
				// Who verifies otherwise does not ask.
				d = trusting
			}
			client, err := d.Dial(t.Context(), url, []string{protocol})
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseWithError(0, "")
			server, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := server.State().URL.String(); got != strings.Replace(url, "http", "https", 1) {
				t.Errorf("the server knows %q", got)
			}
			if got := client.State().URL.String(); got != url {
				t.Errorf("the client knows %q", got)
			}
		})
	}
}

func TestDevelopmentServerIsAway(t *testing.T) {
	transporttest.NoLeaks(t)
	d := new(wtconn.Dialer)
	defer d.Close()
	wantDialError(t, dialFails(t, d, "http://"+listentest.UnusedUDP(t)), transport.PhaseConnect, "fingerprint")
}
