package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport/tlspin"
)

var passwords = map[string]string{"ann": "apple", "bob": "banana"}

// asked returns the answer to a request for a page.
func asked(s *site, method, target, name, password string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.SetBasicAuth(name, password)
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, r)
	return answer
}

// sessionPath returns the path and the query of a URL of a session.
func sessionPath(t *testing.T, s *site, name string) string {
	t.Helper()
	u, err := url.Parse(strings.TrimSpace(asked(s, "GET", "https://example.com/", name, passwords[name]).Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return u.RequestURI()
}

// inMemory runs a test with the sessions of a site in memory, where time costs
// nothing.
func inMemory(t *testing.T, f func(t *testing.T, s *site, dial func(path string) (api.Session, error))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		s, err := newSite(server.Config, passwords)
		if err != nil {
			t.Fatal(err)
		}
		server.Start()
		defer server.Close()
		client := server.Client()
		client.Config = &api.Config{WaitForSetup: true} // so that a refusal is Dial's error
		f(t, s, func(path string) (api.Session, error) {
			return client.Dial(t.Context(), server.URL+path, api.NewTrackMux())
		})
	})
}

// next returns the next text in a clipboard.
func next(t *testing.T, track api.TrackReader) string {
	t.Helper()
	for frame, err := range api.FramesOf(t.Context(), api.Groups(t.Context(), track)) {
		if err != nil {
			return err.Error()
		}
		return string(frame.Payload)
	}
	return "the end"
}

func TestClipboardIsPrivate(t *testing.T) {
	inMemory(t, func(t *testing.T, s *site, dial func(path string) (api.Session, error)) {
		tracks := make(map[string]api.TrackReader)
		for name := range passwords {
			session, err := dial(sessionPath(t, s, name))
			if err != nil {
				t.Fatal(err)
			}
			tracks[name], err = session.Subscribe(t.Context(), "clipboard", "text", nil)
			if err != nil {
				t.Fatal(err)
			}
		}
		asked(s, "POST", "https://example.com/?text=a+secret", "ann", "apple")
		asked(s, "POST", "https://example.com/?text=hello", "bob", "banana")
		for name, want := range map[string]string{"ann": "a secret", "bob": "hello"} {
			if got := next(t, tracks[name]); got != want {
				t.Errorf("%s reads %q, want %q", name, got, want)
			}
		}
	})
}

func TestRefused(t *testing.T) {
	inMemory(t, func(t *testing.T, s *site, dial func(path string) (api.Session, error)) {
		ann := sessionPath(t, s, "ann")
		_, token, _ := strings.Cut(ann, "?")
		for _, path := range []string{"/ann", "/", "/?" + token, "/bob?" + token, "/ann?jwt=x", "/ann/clipboard?" + token} {
			if _, err := dial(path); !errors.Is(err, api.ErrUnauthorized) {
				t.Errorf("%.20s: %v", path, err)
			}
		}
		session, err := dial(ann)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if !errors.Is(context.Cause(session.Context()), api.ErrUnauthorized) {
			t.Error("the session is older than its token")
		}
	})
}

func TestPagesAreForUsers(t *testing.T) {
	s, err := newSite(new(impl.Server), passwords)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ target, name, password string }{
		{"https://example.com/", "ann", "banana"},
		{"https://example.com/", "eve", ""},
		{"http://example.com/", "ann", "apple"},
	} {
		if answer := asked(s, "GET", test.target, test.name, test.password); answer.Code != http.StatusUnauthorized {
			t.Errorf("%v: %d", test, answer.Code)
		}
	}
}

// TestOnOnePort runs the site on a port: pages over HTTPS, sessions over
// WebTransport and WebSocket, and the end of all of them.
func TestOnOnePort(t *testing.T) {
	cert, err := devcert.New()
	if err != nil {
		t.Fatal(err)
	}
	server := &impl.Server{
		Addr: "127.0.0.1:0", TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		Config: &api.Config{LeaveTimeout: 100 * time.Millisecond}, // the client stays
	}
	s, err := newSite(server, passwords)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()

	trusting := tlspin.Config(nil, devcert.Fingerprint(cert))
	client := &impl.Client{TLSConfig: trusting}
	defer client.Close()
	var tracks []api.TrackReader
	for _, scheme := range []string{"https://", "wss://"} {
		session, err := client.Dial(ctx, scheme+addr.String()+sessionPath(t, s, "ann"), nil)
		if err != nil {
			t.Fatal(err)
		}
		track, err := session.Subscribe(ctx, "clipboard", "text", nil)
		if err != nil {
			t.Fatal(err)
		}
		tracks = append(tracks, track)
	}
	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting}}
	defer browser.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, "POST", "https://"+addr.String(), strings.NewReader("text=hello"))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("ann", "apple")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if want := "https://" + addr.String() + "/ann?jwt="; !strings.HasPrefix(string(body), want) {
		t.Errorf("answer: %d %.60s", answer.StatusCode, body)
	}
	for _, track := range tracks {
		if got := next(t, track); got != "hello" {
			t.Errorf("read %q", got)
		}
	}
	if answer, err = http.Get("http://" + addr.String()); err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without TLS: %d", answer.StatusCode)
	}

	cancel()
	for _, track := range tracks {
		if _, err := track.AcceptGroup(t.Context()); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}
