package auth_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

// A verifier checks which tokens are accepted by keys.
type verifier struct {
	*testing.T
	keys auth.Keys
}

func (v verifier) accepts(k *auth.Key) {
	v.Helper()
	if _, err := auth.Verify(v.Context(), v.keys, issue(v, k, everything)); err != nil {
		v.Errorf("a token of %v: %v", k, err)
	}
}

func (v verifier) refuses(k *auth.Key) { v.Helper(); v.fails(k, api.ErrUnauthorized) }

func (v verifier) fails(k *auth.Key, want error) {
	v.Helper()
	_, err := auth.Verify(v.Context(), v.keys, issue(v, k, everything))
	if !errors.Is(err, want) || want == api.ErrUnavailable && errors.Is(err, api.ErrUnauthorized) {
		v.Errorf("a token of %v: %v, want %v", k, err, want)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, k *auth.Key, name string) {
	t.Helper()
	if err := k.WriteFile(name); err != nil {
		t.Fatal(err)
	}
}

// count counts the lines of a log that contain a text.
func count(log *bytes.Buffer, text string) (n int) {
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func TestFilesAreReadAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key.jwk")
	var log bytes.Buffer
	keys := auth.File(name)
	keys.Logger = slog.New(slog.NewTextHandler(&log, nil))
	v := verifier{t, keys}
	a, b := newKey(t, "HS256", "a"), newKey(t, "ES256", "b")
	v.fails(a, api.ErrUnavailable)
	if err := keys.Load(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("loaded: %v", err)
	}
	save(t, a, name)
	v.accepts(a)
	v.refuses(b)
	save(t, b, name)
	v.accepts(b)
	v.refuses(a)
	for _, bad := range []string{"", "{", `{"kty":"oct"}`, strings.Repeat("x", 1<<20)} {
		write(t, name, bad)
		log.Reset()
		v.accepts(b)
		v.accepts(b)
		if n := count(&log, "last_good_in_use=true"); n != 1 {
			t.Errorf("%.10q: logged %d times: %s", bad, n, &log)
		}
		if keys.Load(t.Context()) == nil {
			t.Errorf("%.10q: loaded", bad)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	v.accepts(b)
	save(t, a, name)
	v.accepts(a)
	v.refuses(b)
	if err := keys.Load(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDirectoriesAreReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	keys := auth.Dir(dir)
	v := verifier{t, keys}
	a, b, again := newKey(t, "HS256", "a"), newKey(t, "ES256", "b"), newKey(t, "HS256", "a")
	v.fails(a, api.ErrUnavailable)
	if keys.Load(t.Context()) == nil {
		t.Error("loaded")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	v.refuses(a)
	save(t, a, filepath.Join(dir, "a.jwk"))
	save(t, b, filepath.Join(dir, "b.jwk"))
	v.accepts(a)
	v.accepts(b)
	save(t, again, filepath.Join(dir, "a.jwk"))
	v.accepts(again)
	v.refuses(a)
	write(t, filepath.Join(dir, "a.jwk"), "{")
	write(t, filepath.Join(dir, "c.txt"), "{")
	v.accepts(again)
	if err := keys.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "a.jwk") || strings.Contains(err.Error(), "c.txt") {
		t.Errorf("loaded: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "a.jwk")); err != nil {
		t.Fatal(err)
	}
	v.refuses(again)
	v.accepts(b)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	v.accepts(b)
	v.fails(a, api.ErrUnavailable)
	for _, kid := range []string{"", "../a", "a/b", "a\\b", ".", "b.jwk", "a\x00"} {
		if k, err := keys.Key(t.Context(), kid); !errors.Is(err, api.ErrUnauthorized) {
			t.Errorf("kid %q: %v, %v", kid, k, err)
		}
	}
}

// roundTrip answers requests in memory.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// handled answers requests by a handler.
func handled(h http.Handler) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result(), nil
	}
}

func TestURLsAreFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newKey(t, "HS256", "a"), newKey(t, "ES256", "b")
		var body string
		var failed error
		fetches := 0
		keys := auth.URL("https://example.com/keys?secret").Through(roundTrip(func(r *http.Request) (*http.Response, error) {
			fetches++
			if failed != nil {
				return nil, failed
			}
			return handled(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))(r)
		}))
		v := verifier{t, keys}
		fetched := func(want int) {
			t.Helper()
			if fetches != want {
				t.Errorf("fetched %d times, want %d", fetches, want)
			}
			fetches = 0
		}
		failed = errors.New("no route")
		v.fails(a, api.ErrUnavailable)
		v.fails(a, api.ErrUnavailable)
		fetched(1)
		failed, body = nil, keySet(t, a)
		time.Sleep(6 * time.Second)
		v.accepts(a)
		v.accepts(a)
		fetched(1)
		time.Sleep(6 * time.Second)
		v.refuses(b) // asks whether there is such a key by now
		v.refuses(b)
		fetched(1)
		body = keySet(t, a, b)
		time.Sleep(6 * time.Second)
		v.accepts(b)
		fetched(1)
		failed = errors.New("no route")
		time.Sleep(2 * time.Minute)
		v.accepts(a)
		v.accepts(b)
		fetched(1)
		v.fails(newKey(t, "HS256", "c"), api.ErrUnavailable)
		failed, body = nil, keySet(t, b)
		time.Sleep(6 * time.Second)
		v.refuses(a)
		v.accepts(b)
	})
}

func keySet(t *testing.T, keys ...*auth.Key) string {
	t.Helper()
	var members []string
	for _, k := range keys {
		text, err := k.JWK()
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, string(text))
	}
	return `{"keys":[` + strings.Join(members, ",") + `]}`
}
