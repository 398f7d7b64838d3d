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
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
)

// browsers returns a client for each version of HTTP, by the name that requests have.
func browsers(t *testing.T, trusting *tls.Config) map[string]*http.Client {
	t.Helper()
	old, newer := trusting.Clone(), trusting.Clone()
	old.NextProtos = []string{"http/1.1"}
	one := &http.Transport{TLSClientConfig: old}
	two := &http.Transport{TLSClientConfig: newer, ForceAttemptHTTP2: true}
	three := &http3.Transport{TLSClientConfig: trusting.Clone()}
	t.Cleanup(func() {
		one.CloseIdleConnections()
		two.CloseIdleConnections()
		_ = three.Close()
	})
	return map[string]*http.Client{"HTTP/1.1": {Transport: one}, "HTTP/2.0": {Transport: two}, "HTTP/3.0": {Transport: three}}
}

// fetch returns the status and the body of an answer.
func fetch(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Do(r)
	if err != nil {
		t.Error(url, err)
		return 0, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(url, err)
	}
	return response.StatusCode, string(body)
}

// TestSite has a site and sessions on one port number, over every version of HTTP and
// every transport.
func TestSite(t *testing.T) {
	serverTLS, trusting := certificate(t)
	pages := http.NewServeMux()
	pages.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto, " ", r.URL.Path) })
	addr := serve(t, &impl.Server{TLSConfig: serverTLS, Mux: api.NewTrackMux(), HTTP: pages})
	for proto, c := range browsers(t, trusting) {
		if status, body := fetch(t, c, "https://"+addr+"/page"); status != 200 || body != proto+" /page" {
			t.Errorf("%s: %d, %q", proto, status, body)
		}
		if status, body := fetch(t, c, "https://"+addr+"/certificate.sha256"); status != 200 || len(body) != 64 {
			t.Errorf("%s: the fingerprint: %d, %q", proto, status, body)
		}
	}
	if status, body := fetch(t, http.DefaultClient, "http://"+addr+"/plain"); status != 200 || body != "HTTP/1.1 /plain" {
		t.Errorf("without TLS: %d, %q", status, body)
	}
	for _, scheme := range []string{"https", "wss", "ws", "moqt", "tls", "tcp"} {
		s, err := client(t, &impl.Client{TLSConfig: trusting}).Dial(t.Context(), scheme+"://"+addr+"/page", nil)
		if err != nil {
			t.Errorf("%s: %v", scheme, err)
			continue
		}
		if err := s.Terminate(api.SessionNoError, ""); err != nil {
			t.Error(err)
		}
	}
}

// TestWithoutSite checks that a server without HTTP answers for its fingerprint alone.
func TestWithoutSite(t *testing.T) {
	serverTLS, trusting := certificate(t)
	addr := serve(t, &impl.Server{TLSConfig: serverTLS, Mux: api.NewTrackMux()})
	all := browsers(t, trusting)
	for _, c := range []*http.Client{all["HTTP/1.1"], all["HTTP/3.0"]} {
		if status, _ := fetch(t, c, "https://"+addr+"/page"); status != 404 {
			t.Errorf("a page: %d", status)
		}
		if status, _ := fetch(t, c, "https://"+addr+"/certificate.sha256"); status != 200 {
			t.Errorf("the fingerprint: %d", status)
		}
	}
}

// TestShutdownFinishesRequests checks that requests that are being answered get their
// whole answer, and that Shutdown says so if they do not.
func TestShutdownFinishesRequests(t *testing.T) {
	for _, patient := range []bool{true, false} {
		t.Run(fmt.Sprint("patient ", patient), func(t *testing.T) {
			serverTLS, trusting := certificate(t)
			all := browsers(t, trusting)
			begun, release := make(chan string, len(all)), make(chan struct{})
			server := &impl.Server{TLSConfig: serverTLS, Mux: api.NewTrackMux(), HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				begun <- r.Proto
				select {
				case <-release:
				case <-r.Context().Done():
				}
				_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
			})}
			addr := serve(t, server)
			answers := make(chan int, len(all))
			for _, c := range all {
				go func() {
					response, err := c.Get("https://" + addr + "/slow")
					if err != nil {
						answers <- 0
						return
					}
					defer response.Body.Close()
					body, _ := io.ReadAll(response.Body)
					answers <- len(body)
				}()
			}
			for range all {
				<-begun
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if !patient {
				cancel()
			} else {
				time.AfterFunc(50*time.Millisecond, func() { close(release) })
			}
			if err := server.Shutdown(ctx); patient != (err == nil) || !patient && !errors.Is(err, context.Canceled) {
				t.Errorf("shutdown: %v", err)
			}
			for range all {
				if n := <-answers; patient && n != 100_000 {
					t.Errorf("an answer has %d bytes", n)
				}
			}
		})
	}
}
