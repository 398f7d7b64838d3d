package transport_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

func parse(t *testing.T, url string) *transport.Target {
	t.Helper()
	target, err := transport.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestParseURL(t *testing.T) {
	for _, c := range []struct {
		url, addr string
		binding   string
		secure    bool
		carries   bool
	}{
		{"moqt://relay.example/live?jwt=x", "relay.example:443", transport.QUIC, true, false},
		{"moql://relay.example:4443", "relay.example:4443", transport.QUIC, true, false},
		{"https://[2001:db8::1]/", "[2001:db8::1]:443", transport.WebTransport, true, true},
		{"HTTP://relay.example", "relay.example:80", transport.WebTransport, false, true},
		{"wss://relay.example", "relay.example:443", transport.WebSocket, true, true},
		{"ws://relay.example", "relay.example:80", transport.WebSocket, false, true},
		{"tls://relay.example:1", "relay.example:1", transport.TLS, true, false},
		{"tcp://relay.example", "relay.example:", transport.TCP, false, false},
		{"pigeon://relay.example:7", "relay.example:7", "", false, true},
	} {
		target := parse(t, c.url)
		s := target.Scheme
		if target.Addr() != c.addr || s.Transport != c.binding || s.Secure != c.secure || s.CarriesPath != c.carries {
			t.Errorf("%s leads to %s by %+v", c.url, target.Addr(), s)
		}
		if err := target.Check(transport.QUIC, transport.WebTransport); (err == nil) != (c.binding == transport.QUIC || c.binding == transport.WebTransport) {
			t.Errorf("%s over QUIC or WebTransport: %v", c.url, err)
		}
	}
}

func TestParseURLFails(t *testing.T) {
	for url, want := range map[string]string{
		"moqt://secret\x7f@host":        "malformed URL",
		"relay.example/live?jwt=secret": "unsupported URL scheme: the URL has none",
		"moqt:///live?jwt=secret":       "the URL names no host",
		"secret:secret@relay.example":   "the URL names no host",
	} {
		_, err := transport.ParseURL(url)
		failed, ok := errors.AsType[*transport.DialError](err)
		if !ok || failed.Phase != transport.PhaseResolve || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	err := parse(t, "https://relay.example").Check(transport.QUIC)
	if want := `resolve: unsupported URL scheme "https" (known: moql://, moqt://)`; fmt.Sprint(err) != want || !errors.Is(err, transport.ErrUnsupportedScheme) {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestRedacted checks that no form of printing a Target shows secret parts of
// its URL.
func TestRedacted(t *testing.T) {
	for url, want := range map[string]string{
		"https://user:secret@relay.example:1/a%2Fb?jwt=secret#secret": "https://relay.example:1/a%2Fb",
		"https://relay.example?":        "https://relay.example",
		"user:secret@relay.example":     "user:relay.example",
		"relay.example:4443":            "relay.example:4443",
		"/elsewhere?jwt=secret":         "/elsewhere",
		"https://relay.example/%secret": "(malformed)",
		"":                              "",
	} {
		if got := transport.RedactURL(url); got != want {
			t.Errorf("%q is shown as %q, want %q", url, got, want)
		}
	}
	target := parse(t, "https://user:secret@relay.example/live?jwt=secret")
	if got := fmt.Sprintf("%v %s", target, target); got != "https://relay.example/live https://relay.example/live" {
		t.Errorf("printed as %s", got)
	}
	if target.URL.String() != "https://user:secret@relay.example/live?jwt=secret" {
		t.Errorf("the URL has become %s", target.URL)
	}
}

// A told is a dialer that records what it is asked to dial.
type told struct {
	urls    []string
	targets []*transport.Target
}

func (d *told) Dial(_ context.Context, url string, _ []string) (transport.Conn, error) {
	d.urls = append(d.urls, url)
	return new(connection), nil
}

// A parsed is a told that implements TargetDialer.
type parsed struct{ told }

func (d *parsed) DialTarget(_ context.Context, t *transport.Target, _ []string) (transport.Conn, error) {
	d.targets = append(d.targets, t)
	return new(connection), nil
}

// TestTargetsAreHandedOn checks that the choosing dialers pass targets with
// their options to dialers that take them, and URLs to the others.
func TestTargetsAreHandedOn(t *testing.T) {
	web, tcp, own := new(parsed), new(parsed), new(told)
	m := transport.ByBinding(map[string]transport.Dialer{transport.WebTransport: web, transport.WebSocket: tcp})
	m["pigeon"] = own
	d := transport.WithFallback(m)
	target := parse(t, "https://relay.example/live?jwt=x")
	target.Options = transport.DialOptions{OwnSocket: true, NoFallback: true}
	if _, err := d.DialTarget(t.Context(), target, nil); err != nil {
		t.Fatal(err)
	}
	if len(web.targets) != 1 || web.targets[0] != target || web.urls != nil {
		t.Errorf("handed on %v and %v", web.targets, web.urls)
	}
	if _, err := d.Dial(t.Context(), "ws://relay.example", nil); err != nil {
		t.Fatal(err)
	}
	if len(tcp.targets) != 1 || tcp.targets[0].Scheme.Name != "ws" {
		t.Errorf("handed on %v", tcp.targets)
	}
	const odd = "pigeon://relay.example/a%2Fb?jwt=x"
	if _, err := d.DialTarget(t.Context(), parse(t, odd), nil); err != nil || len(own.urls) != 1 || own.urls[0] != odd {
		t.Errorf("%v; handed on %v", err, own.urls)
	}
	if _, err := d.Dial(t.Context(), "moqt://relay.example", nil); !errors.Is(err, transport.ErrUnsupportedScheme) {
		t.Error(err)
	}
}

// TestSchemesFallBackToWhatTheyAreLike checks that each fallback is a scheme
// of the table that is as secure and has the same port.
func TestSchemesFallBackToWhatTheyAreLike(t *testing.T) {
	for _, s := range transport.Schemes() {
		if s.Fallback == "" {
			continue
		}
		other, known := transport.SchemeByName(s.Fallback)
		if !known || other.Secure != s.Secure || other.Port != s.Port || other.CarriesPath != s.CarriesPath {
			t.Errorf("%+v falls back to %+v", s, other)
		}
	}
}
