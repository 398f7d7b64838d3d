package main

import (
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// asked starts a server, and returns its URL and the queries that it is dialled
// with.
func asked(t *testing.T) (url string, queries chan string) {
	t.Helper()
	certificate, err := devcert.New()
	if err != nil {
		t.Fatal(err)
	}
	queries = make(chan string, 8)
	server := &impl.Server{
		Addr:      "127.0.0.1:0",
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		Mux:       api.NewTrackMux(),
		Handler:   func(s api.Session) { queries <- s.State().URL.RawQuery },
	}
	addr, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.ListenAndServe()
	}()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return "https://" + addr.String(), queries // WebTransport carries the query, so the handler sees it
}

// TestToken: the token of a file, of standard input or of the environment goes
// to the server, and is not printed.
func TestToken(t *testing.T) {
	transporttest.NoLeaks(t)
	url, queries := asked(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("se.cr.et\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		query, environment, stdin string
		args                      []string
		want                      string
	}{
		"file":                   {"", "", "", []string{"--token", file}, "jwt=se.cr.et"},
		"standard input":         {"?x=1", "", " se.cr.et\n", []string{"--token", "-"}, "x=1&jwt=se.cr.et"},
		"environment":            {"", "se.cr.et", "", nil, "jwt=se.cr.et"},
		"file, not environment":  {"", "ot.he.r", "", []string{"--token", file}, "jwt=se.cr.et"},
		"URL, not environment":   {"?jwt=se.cr.et", "ot.he.r", "", nil, "jwt=se.cr.et"},
		"no token from anywhere": {"", "", "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(tokenVariable, test.environment)
			for _, command := range []string{"ls", "probe"} {
				c := start(t, test.stdin, append([]string{command, url + test.query, "--insecure", "-v"}, test.args...)...)
				c.wait(exitDone)
				if got := <-queries; got != test.want {
					t.Errorf("%s: the server sees %q, want %q", command, got, test.want)
				}
				if all := c.out.String() + c.err.String(); strings.Contains(all, "se.cr") {
					t.Errorf("%s prints the token: %s", command, all)
				}
			}
		})
	}
}

// TestTokenIsRefused where it cannot be read, or there are two.
func TestTokenIsRefused(t *testing.T) {
	const url = "moqt://127.0.0.1:1"
	empty := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		stdin, want string
		status      int
		args        []string
	}{
		{"", "cannot open the file", exitFailed, []string{"ls", url, "--token", "se.cr.et"}}, // it is no file
		{"", "no token in it", exitFailed, []string{"ls", url, "--token", empty}},
		{"se.cr.et", "has a token in its query already", exitUsage, []string{"ls", url + "?jwt=se.cr.et", "--token", "-"}},
		{"se.cr.et\nse.cr.et", "a character", exitUsage, []string{"sub", url, "room", "data", "--token", "-"}},
		{"se.cr.et", "both read standard input", exitUsage, []string{"pub", url, "room", "--token", "-"}},
	} {
		c := start(t, test.stdin, test.args...)
		c.wait(test.status)
		if got := c.err.String(); !strings.Contains(got, test.want) || strings.Contains(got, "se.cr") {
			t.Errorf("%v: %s", test.args, got)
		}
	}
}

// TestTokenIsReadAgain for each connection: it may have been renewed.
func TestTokenIsReadAgain(t *testing.T) {
	transporttest.NoLeaks(t)
	url, queries := asked(t)
	file := filepath.Join(t.TempDir(), "token")
	o := &options{stdio: stdio{strings.NewReader(""), io.Discard, io.Discard}, insecure: true, timeout: 20 * time.Second, reconnect: 20 * time.Second}
	for _, token := range []string{"a.b.c", "d.e.f"} {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if o.bearer == nil {
			if o.bearer, err = o.newBearer(file); err != nil {
				t.Fatal(err)
			}
		}
		client, err := o.client()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.dialLasting(t.Context(), client, url, api.NewTrackMux()); err != nil {
			t.Fatal(err)
		}
		if got := <-queries; got != "jwt="+token {
			t.Errorf("the server sees %q, want the token %s", got, token)
		}
		_ = client.Close()
	}
}
