package impl_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/tlspin"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// serve starts a server on a loopback port and returns its address. It is
// closed at the end of the test.
func serve(t *testing.T, s *impl.Server) string {
	t.Helper()
	s.Addr = "127.0.0.1:0"
	addr, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.ListenAndServe() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("close:", err)
		}
		if err := <-ended; !errors.Is(err, api.ErrServerClosed) {
			t.Error("ListenAndServe:", err)
		}
	})
	return addr.String()
}

func client(t *testing.T, c *impl.Client) *impl.Client {
	t.Helper()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return c
}

// certificate returns the configurations of a server and of a client that
// trusts it.
func certificate(t *testing.T) (server, trusting *tls.Config) {
	t.Helper()
	cert, err := devcert.New()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	return &tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{RootCAs: roots}
}

// TestOverSockets runs a session over real sockets in each version, and with
// each way to dial.
func TestOverSockets(t *testing.T) {
	transporttest.NoLeaks(t)
	theirs, ours := certificate(t)
	mux := api.NewTrackMux()
	publishGroups(t, mux, "room", 30)
	addr := serve(t, &impl.Server{TLSConfig: theirs, Mux: mux})
	pinned := tlspin.Config(nil, devcert.Fingerprint(theirs.Certificates[0]))
	for _, test := range []struct {
		url, transport string
		tls            *tls.Config
	}{
		{"moqt://" + addr, "quic", ours},
		{"moql://" + addr + "/", "quic", pinned},
		{"https://" + addr + "/?jwt=token", "webtransport", ours},
		{"https://" + addr, "webtransport", pinned},
		{"http://" + addr, "webtransport", nil},
	} {
		for _, v := range api.Versions() {
			t.Run(test.url[:5]+" "+string(v), func(t *testing.T) {
				t.Parallel()
				c := client(t, &impl.Client{TLSConfig: test.tls, Config: &api.Config{Versions: []api.Version{v}}})
				// Where all dial at once, QUIC may take longer than its head start.
				s, err := c.DialWith(t.Context(), test.url, api.NewTrackMux(), transport.DialOptions{NoFallback: true})
				if err != nil {
					t.Fatal(err)
				}
				if state := s.State(); state.Version != v || state.Transport != test.transport || state.TLS == nil {
					t.Errorf("state %+v", state)
				}
				r := subscribe(t, s, "room", nil)
				if got := readAll(t, r); len(got) != 60 {
					t.Errorf("read %d frames, want 60; gaps %v", len(got), r.Gaps())
				}
				if err := c.Shutdown(t.Context()); err != nil {
					t.Error("shutdown:", err)
				}
			})
		}
	}
}

func TestServerSeesTheURL(t *testing.T) {
	theirs, ours := certificate(t)
	seen := make(chan string, 1)
	addr := serve(t, &impl.Server{TLSConfig: theirs, Mux: api.NewTrackMux(), Admit: func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
		s := r.State
		seen <- fmt.Sprintf("%s %s?%s", s.Transport, s.URL.Path, s.URL.RawQuery)
		if r.Token == "bad" {
			return api.Grant{}, api.ErrUnauthorized
		}
		return api.GrantAll(), nil
	}})
	for _, test := range []struct {
		url, want string
		refused   bool
	}{
		{"moqt://" + addr + "/live/a%2Fb?jwt=x", "quic /live/a/b?jwt=x", false},
		{"https://" + addr + "/live/a%2Fb?jwt=x", "webtransport /live/a/b?jwt=x", false},
		{"moqt://" + addr + "/?jwt=bad", "quic /?jwt=bad", true},
		{"https://" + addr + "/?jwt=bad", "webtransport /?jwt=bad", true},
	} {
		c := client(t, &impl.Client{TLSConfig: ours, Config: &api.Config{WaitForSetup: true}})
		s, err := c.Dial(t.Context(), test.url, api.NewTrackMux())
		if got := <-seen; got != test.want {
			t.Errorf("%s: the server saw %q, want %q", test.url, got, test.want)
		}
		if err == nil && test.refused {
			_, err = s.Subscribe(t.Context(), "room", "video", nil)
		}
		if errors.Is(err, api.ErrUnauthorized) != test.refused {
			t.Errorf("%s: %v", test.url, err)
		}
	}
}

func TestDialErrorsOverSockets(t *testing.T) {
	transporttest.NoLeaks(t)
	theirs, ours := certificate(t)
	addr := serve(t, &impl.Server{TLSConfig: theirs, Mux: api.NewTrackMux(), Config: &api.Config{Versions: []api.Version{api.Lite04}}})
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.LocalAddr().String()
	_ = closed.Close()
	for _, scheme := range []string{"moqt", "https"} {
		for _, test := range []struct {
			name, addr string
			phase      api.Phase
			tls        *tls.Config
			config     *api.Config
			is         error
			as         func(error) bool
		}{
			{"nothing listens", nobody, api.PhaseConnect, ours, nil, nil, nil},
			{"no answer", silent.LocalAddr().String(), api.PhaseConnect, ours, nil, context.DeadlineExceeded, nil},
			{"untrusted certificate", addr, api.PhaseTLS, nil, nil, nil, isA[*tls.CertificateVerificationError]},
			{"no common version", addr, api.PhaseNegotiate, ours, &api.Config{Versions: []api.Version{api.Lite06}}, api.ErrUnsupportedVersion, nil},
			{"no such name", "moqlite.invalid:443", api.PhaseResolve, ours, nil, nil, isA[*net.DNSError]},
		} {
			t.Run(scheme+" "+test.name, func(t *testing.T) {
				t.Parallel()
				c := client(t, &impl.Client{TLSConfig: test.tls, Config: test.config})
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
				defer cancel()
				_, err := c.Dial(ctx, scheme+"://"+test.addr, nil)
				failed, ok := errors.AsType[*api.DialError](err)
				if !ok || failed.Phase != test.phase {
					t.Fatalf("dial: %v, want a failure in phase %s", err, test.phase)
				}
				if test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("dial: %v, want %v", err, test.is)
				}
				if test.as != nil && !test.as(err) {
					t.Errorf("dial: %v, an error of another type", err)
				}
			})
		}
	}
}

// isA tells whether err is or wraps an E.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestCertificateFingerprintIsServed(t *testing.T) {
	theirs, _ := certificate(t)
	addr := serve(t, &impl.Server{TLSConfig: theirs, Mux: api.NewTrackMux()})
	res, err := http.Get("http://" + addr + "/certificate.sha256")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum := devcert.Fingerprint(theirs.Certificates[0])
	if string(body) != hex.EncodeToString(sum[:]) {
		t.Errorf("served %q", body)
	}
}

// TestCloseWithoutAnswer closes a client whose server has vanished.
func TestCloseWithoutAnswer(t *testing.T) {
	transporttest.NoLeaks(t)
	for _, scheme := range []string{"moqt", "https"} {
		theirs, ours := certificate(t)
		server := &impl.Server{TLSConfig: theirs, Mux: api.NewTrackMux(), Addr: "127.0.0.1:0"}
		addr, err := server.Listen()
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = server.ListenAndServe() }()
		c := &impl.Client{TLSConfig: ours}
		s, err := c.Dial(t.Context(), scheme+"://"+addr.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("close took %v", took)
		}
		if err := context.Cause(s.Context()); !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("the session ended with %v", err)
		}
		if _, err := c.Dial(t.Context(), scheme+"://"+addr.String(), nil); !errors.Is(err, api.ErrClientClosed) {
			t.Errorf("dial after Close: %v", err)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown after Close: %v", err)
		}
		_ = server.Close()
	}
}

// TestHooksMayClose closes the server from within its own hooks.
func TestHooksMayClose(t *testing.T) {
	for _, scheme := range []string{"moqt", "https", "wss", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			theirs, ours := certificate(t)
			server := &impl.Server{TLSConfig: theirs, Mux: api.NewTrackMux(), Addr: "127.0.0.1:0"}
			closed := make(chan struct{})
			server.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
				_ = server.Close()
				close(closed)
				return api.GrantAll(), nil
			}
			addr, err := server.Listen()
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = server.ListenAndServe() }()
			c := client(t, &impl.Client{TLSConfig: ours})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, _ = c.Dial(ctx, scheme+"://"+addr.String(), nil)
			select {
			case <-closed:
			case <-ctx.Done():
				t.Error("Close from Admit does not return")
			}
		})
	}
}
