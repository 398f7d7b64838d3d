package impl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// An h3Site is a server with a site on a Link, and a browser of HTTP/3.
type h3Site struct {
	server  *moqtest.Server
	browser *http3.Transport
	dialled chan *quic.Conn
}

// siteOnLink starts a site in a bubble.
func siteOnLink(t *testing.T, link *moqtest.Link, pages http.HandlerFunc) *h3Site {
	t.Helper()
	server := moqtest.NewUnstartedServer(api.NewTrackMux())
	server.Link, server.Config.HTTP = link, pages
	server.Start()
	socket := &quic.Transport{Conn: link.Socket()}
	s := &h3Site{server: server, dialled: make(chan *quic.Conn, 8)}
	s.browser = &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test's own server
		// Pings, so that no QUIC connection ends for silence.
		QUICConfig: &quic.Config{KeepAlivePeriod: 5 * time.Second},
		Dial: func(ctx context.Context, _ string, conf *tls.Config, c *quic.Config) (*quic.Conn, error) {
			q, err := socket.DialEarly(ctx, server.Config.Socket.LocalAddr(), conf, c)
			if err == nil {
				s.dialled <- q
			}
			return q, err
		},
	}
	t.Cleanup(func() {
		_ = s.browser.Close()
		server.Close()
		_ = socket.Close()
		_ = socket.Conn.Close()
	})
	return s
}

// get returns the length of an answer.
func (s *h3Site) get(ctx context.Context, path string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://site.example"+path, nil)
	if err != nil {
		return 0, err
	}
	response, err := s.browser.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return len(body), err
}

// TestRequestsKeepTheirConnection checks that a connection over which requests of HTTP/3
// run is not closed for having no session, however long they take, beside sessions over
// the same port; and that it is closed half a minute after the last of them.
func TestRequestsKeepTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := siteOnLink(t, &moqtest.Link{Delay: 10 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
			took, _ := time.ParseDuration(r.URL.Query().Get("take"))
			time.Sleep(took)
			fmt.Fprint(w, "done")
		})
		session, err := s.server.Client().Dial(t.Context(), s.server.WebTransportURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, take := range []string{"0s", "45s", "1s"} {
			if n, err := s.get(t.Context(), "/?take="+take); n != 4 || err != nil {
				t.Errorf("%s: %d bytes, %v", take, n, err)
			}
			time.Sleep(20 * time.Second)
		}
		q := <-s.dialled
		if q.Context().Err() != nil || len(s.dialled) > 0 {
			t.Errorf("while it is used: %v; %d more were made", context.Cause(q.Context()), len(s.dialled))
		}
		time.Sleep(11 * time.Second)
		if e, ok := errors.AsType[*quic.ApplicationError](context.Cause(q.Context())); !ok || !e.Remote || e.ErrorCode != quic.ApplicationErrorCode(http3.ErrCodeNoError) {
			t.Errorf("31 s after the last request: %v", context.Cause(q.Context()))
		}
		if n, err := s.get(t.Context(), "/"); n != 4 || err != nil {
			t.Errorf("a new connection: %d bytes, %v", n, err)
		}
		if session.Context().Err() != nil {
			t.Errorf("the session beside it has ended: %v", context.Cause(session.Context()))
		}
	})
}

// TestShutdownFinishesSlowRequests checks that a request of HTTP/3 gets its whole answer
// during Shutdown, as one over TCP does from net/http: however long its handler takes, and
// over a path that is slower than the handler, also when that has returned before.
func TestShutdownFinishesSlowRequests(t *testing.T) {
	for name, test := range map[string]struct {
		link     *moqtest.Link
		answered bool // the handler has returned before Shutdown
	}{
		"slow handler":           {&moqtest.Link{Delay: 10 * time.Millisecond}, false},
		"slow path":              {&moqtest.Link{Delay: 300 * time.Millisecond, Rate: 1_000_000}, false},
		"slow path and answered": {&moqtest.Link{Delay: 300 * time.Millisecond, Rate: 1_000_000}, true},
		"bad path":               {&moqtest.Link{Delay: 50 * time.Millisecond, Rate: 5_000_000, Loss: 0.3, Seed: 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := make(chan struct{})
				s := siteOnLink(t, test.link, func(w http.ResponseWriter, _ *http.Request) {
					if !test.answered {
						close(begun)
					}
					time.Sleep(5 * time.Second)
					_, _ = io.WriteString(w, strings.Repeat("x", 300_000))
					if test.answered {
						close(begun)
					}
				})
				answer := make(chan error, 1)
				go func() {
					n, err := s.get(t.Context(), "/")
					if err == nil && n != 300_000 {
						err = fmt.Errorf("%d bytes", n)
					}
					answer <- err
				}()
				<-begun
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := s.server.Config.Shutdown(ctx); err != nil {
					t.Errorf("shutdown: %v", err)
				}
				if err := <-answer; err != nil {
					t.Errorf("the answer: %v", err)
				}
			})
		})
	}
}
