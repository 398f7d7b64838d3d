package auth_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

func newKey(t testing.TB, algorithm, id string) *auth.Key {
	t.Helper()
	k, err := auth.NewKey(algorithm, id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var everything = auth.Claims{Publish: api.Patterns{"**"}, Subscribe: api.Patterns{"**"}}

func issue(t testing.TB, k *auth.Key, c auth.Claims) string {
	t.Helper()
	token, err := k.Issue(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestEveryAlgorithm signs with a new key and verifies with what was written of
// it.
func TestEveryAlgorithm(t *testing.T) {
	for _, algorithm := range auth.Algorithms() {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			key, other := newKey(t, algorithm, ""), newKey(t, algorithm, "")
			token := issue(t, key, everything)
			name := filepath.Join(t.TempDir(), "key.jwk")
			verifier, err := key.Public()
			if symmetric := strings.HasPrefix(algorithm, "HS"); (err != nil) != symmetric {
				t.Fatalf("a public part: %v", err)
			} else if symmetric {
				verifier = key
			} else if _, err := verifier.Issue(everything); err == nil {
				t.Error("a public key signs")
			}
			if err := verifier.WriteFile(name); err != nil {
				t.Fatal(err)
			}
			if c, err := auth.Verify(t.Context(), auth.File(name), token); err != nil || c.Publish[0] != "**" {
				t.Errorf("%+v, %v", c, err)
			}
			if _, err := auth.Verify(t.Context(), auth.Set(other), issue(t, other, everything)); err != nil {
				t.Error(err)
			}
			if err := other.WriteFile(name); err != nil {
				t.Fatal(err)
			}
			if _, err := auth.Verify(t.Context(), auth.File(name), token); !errors.Is(err, api.ErrUnauthorized) {
				t.Errorf("by another key: %v", err)
			}
		})
	}
	for _, name := range []string{"", "none", "hs256", "ES512", "HS256 "} {
		if k, err := auth.NewKey(name, "x"); err == nil {
			t.Errorf("%q makes %v", name, k)
		}
	}
	for _, id := range []string{"a/b", "..", "a b", "é", strings.Repeat("a", 129)} {
		if k, err := auth.NewKey("HS256", id); err == nil {
			t.Errorf("id %q makes %v", id, k)
		}
	}
}

// TestKeysShowNoSecret prints a key in all ways, also from within other things.
func TestKeysShowNoSecret(t *testing.T) {
	for _, algorithm := range []string{"HS256", "ES256", "RS256", "EdDSA"} {
		key := newKey(t, algorithm, "id-1")
		text, err := key.JWK()
		if err != nil {
			t.Fatal(err)
		}
		var secret struct{ K, D string }
		if err := json.Unmarshal(text, &secret); err != nil || secret.K+secret.D == "" {
			t.Fatalf("%v in %s", err, text)
		}
		type holder struct {
			Key    *auth.Key
			Value  auth.Key
			hidden auth.Key
			Keys   auth.Keys
		}
		h := holder{key, *key, *key, auth.Set(key)}
		var out bytes.Buffer
		for _, v := range []any{key, *key, h, &h, []*auth.Key{key}, map[string]auth.Key{"a": *key}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				fmt.Fprintf(&out, verb+"\n", v)
			}
			for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				slog.New(handler).Info("key", "key", v, slog.Group("g", "key", v))
			}
			_ = json.NewEncoder(&out).Encode(v)
			_ = xml.NewEncoder(&out).Encode(v)
		}
		raw := fmt.Sprintf("%x", secret.K+secret.D)
		for _, s := range []string{secret.K + secret.D, raw, strings.ToUpper(raw)} {
			if strings.Contains(out.String(), s) {
				t.Errorf("%s: the secret is shown", algorithm)
			}
		}
		if !strings.Contains(out.String(), "id-1") {
			t.Error("nothing is shown")
		}
	}
}

func TestKeysAreWrittenForTheirOwner(t *testing.T) {
	dir := t.TempDir()
	mode := func(k *auth.Key) os.FileMode {
		name := filepath.Join(dir, "k.jwk")
		if err := os.WriteFile(name, []byte("before"), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := k.WriteFile(name); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	private := newKey(t, "ES256", "")
	public, err := private.Public()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		if a, b, c := mode(private), mode(newKey(t, "HS256", "")), mode(public); a != 0o600 || b != 0o600 || c != 0o644 {
			t.Errorf("modes %v, %v and %v", a, b, c)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 1 {
		t.Errorf("%v, %v are left", left, err)
	}
	if err := private.WriteFile(filepath.Join(dir, "missing", "k.jwk")); err == nil {
		t.Error("written into a directory that is not there")
	}
}

// TestLimitedKeys: neither issues nor verifies what is beyond a key's scope.
func TestLimitedKeys(t *testing.T) {
	key := newKey(t, "HS256", "k")
	limited, err := key.Limit(auth.Claims{Root: "demo", Publish: api.Patterns{"live/**"}, Subscribe: api.Patterns{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := limited.JWK()
	if err != nil {
		t.Fatal(err)
	}
	read, err := auth.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		claims auth.Claims
		ok     bool
	}{
		{auth.Claims{Root: "demo/live", Publish: api.Patterns{"**"}}, true},
		{auth.Claims{Publish: api.Patterns{"demo/live/a*"}, Subscribe: api.Patterns{"demo/x"}}, true},
		{auth.Claims{Root: "demo", Publish: api.Patterns{"**"}}, false},
		{auth.Claims{Root: "demo", Subscribe: api.Patterns{"live/**"}}, false},
		{auth.Claims{Root: "demo", Publish: api.Patterns{"lively"}}, false},
		{everything, false},
	} {
		for _, k := range []*auth.Key{limited, read} {
			if _, err := k.Issue(c.claims); (err == nil) != c.ok {
				t.Errorf("issue %+v: %v", c.claims, err)
			}
			if _, err := auth.Verify(t.Context(), auth.Set(k), issue(t, key, c.claims)); (err == nil) != c.ok {
				t.Errorf("verify %+v: %v", c.claims, err)
			}
		}
	}
	if _, err := limited.Limit(everything); err == nil {
		t.Error("a limited key can be widened")
	}
	if _, err := limited.Limit(auth.Claims{Root: "demo/live", Publish: api.Patterns{"a"}}); err != nil {
		t.Error(err)
	}
	if _, err := key.Limit(auth.Claims{Publish: api.Patterns{"a//b"}}); err == nil {
		t.Error("limited to what is no pattern")
	}
}

func TestKeysAreForSomething(t *testing.T) {
	keys := testKeys(t)
	if _, err := keys["verifyonly"].Issue(everything); err == nil {
		t.Error("a key for verifying signs")
	}
	if _, err := auth.Verify(t.Context(), auth.Set(keys["signonly"]), issue(t, keys["signonly"], everything)); !errors.Is(err, api.ErrUnauthorized) {
		t.Errorf("a key for signing verifies: %v", err)
	}
	for _, c := range []auth.Claims{{}, {Root: "a*", Publish: api.Patterns{"b"}}, {Publish: api.Patterns{"a//b"}}} {
		if token, err := keys["hs256"].Issue(c); err == nil {
			t.Errorf("%+v makes %s", c, token)
		}
	}
	for _, scope := range []string{`7`, `{"put":"a"}`, `{"put":["*"]}`, `{"root":1}`, `{"put":["a"],"exp":1}`, `{"put":["a"],"put":["b"]}`, `[]`, `{"publish":["a//b"]}`} {
		text := `{"kty":"oct","alg":"HS256","k":"` + strings.Repeat("A", 43) + `","scope":` + scope + `}`
		if k, err := auth.ParseKey([]byte(text)); err == nil {
			t.Errorf("scope %s makes %v", scope, k)
		}
	}
	for _, text := range []string{
		`{"kty":"oct","alg":"HS256","k":"` + strings.Repeat("A", 42) + `"}`, // 31 bytes
		`{"kty":"oct","alg":"HS256","k":"` + strings.Repeat("A", 43) + `","k":"` + strings.Repeat("A", 43) + `"}`,
		`{"kty":"oct","alg":"HS256","k":"` + strings.Repeat("A", 43) + `","kid":7}`,
		`{"kty":"oct","alg":"HS256","k":"` + strings.Repeat("A", 43) + `","kid":""}`,
		`{"kty":"oct","alg":"HS256","k":"` + strings.Repeat("A", 43) + `","kid":"../x"}`,
		`{"kty":"oct","Alg":"HS256","k":"` + strings.Repeat("A", 43) + `"}`,
		"\ufeff" + `{"kty":"oct","alg":"HS256","k":"` + strings.Repeat("A", 43) + `"}`,
		strings.Repeat(" ", 1<<17),
	} {
		if k, err := auth.ParseKey([]byte(text)); err == nil {
			t.Errorf("%.80s makes %v", text, k)
		}
	}
}

// TestShortSecrets: HS512 takes one of 32 bytes, as the reference does.
func TestShortSecrets(t *testing.T) {
	key, err := auth.ParseKey([]byte(`{"kty":"oct","alg":"HS512","k":"` + strings.Repeat("A", 43) + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := auth.Verify(t.Context(), auth.Set(key), issue(t, key, everything)); err != nil {
		t.Error(err)
	}
}

func FuzzParseKey(f *testing.F) {
	for _, key := range vectors[struct{ Keys map[string]json.RawMessage }](f, "keys").Keys {
		f.Add([]byte(key))
	}
	for _, c := range vectors[struct{ Cases []struct{ File string } }](f, "keyfiles").Cases {
		f.Add([]byte(c.File))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := auth.ParseKey(text)
		if err != nil {
			return
		}
		written, err := key.JWK()
		if err != nil {
			t.Fatal(err)
		}
		again, err := auth.ParseKey(written)
		if err != nil || again.ID() != key.ID() || again.Algorithm() != key.Algorithm() {
			t.Errorf("%v is read again as %v, %v", key, again, err)
		}
		if token, err := key.Issue(everything); err == nil {
			if _, err := auth.Verify(t.Context(), auth.Set(again), token); err != nil && !strings.Contains(err.Error(), "not for verifying") {
				t.Error(err)
			}
		}
	})
}
