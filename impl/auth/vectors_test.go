package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

// vectors reads a file of testdata.
func vectors[T any](t testing.TB, name string) T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// testKeys returns the keys of testdata, by name.
func testKeys(t testing.TB) map[string]*auth.Key {
	t.Helper()
	keys := map[string]*auth.Key{}
	for name, text := range vectors[struct{ Keys map[string]json.RawMessage }](t, "keys").Keys {
		key, err := auth.ParseKey(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		keys[name] = key
	}
	return keys
}

// A tokenFile is testdata/tokens.json.
type tokenFile struct {
	Tokens map[string]string
	Cases  []tokenCase
}

type tokenCase struct {
	ID, Path, Key, Token, Query string
	Directory                   []string
	Public                      *struct{ Publish, Subscribe api.Patterns }
	Granted                     *struct {
		Publish, Subscribe api.Patterns
		Expires            int64
	}
	Refused string
}

// policy returns the policy of a case.
func (c tokenCase) policy(t *testing.T, keys map[string]*auth.Key) *auth.Policy {
	t.Helper()
	p := &auth.Policy{}
	switch {
	case c.Directory != nil:
		dir := t.TempDir()
		for _, name := range c.Directory {
			if err := keys[name].WriteFile(filepath.Join(dir, name+".jwk")); err != nil {
				t.Fatal(err)
			}
		}
		p.Keys = auth.Dir(dir)
	case c.Key != "":
		file := filepath.Join(t.TempDir(), "key.jwk")
		if err := keys[c.Key].WriteFile(file); err != nil {
			t.Fatal(err)
		}
		p.Keys = auth.File(file)
	}
	if c.Public != nil {
		p.Public = auth.Claims{Publish: c.Public.Publish, Subscribe: c.Public.Subscribe}
	}
	return p
}

func TestTokenVectors(t *testing.T) {
	file, keys := vectors[tokenFile](t, "tokens"), testKeys(t)
	if len(file.Cases) < 90 {
		t.Fatal("where are the cases?")
	}
	for _, c := range file.Cases {
		t.Run(c.ID, func(t *testing.T) {
			query := c.Query
			if c.Token != "" {
				query = "jwt=" + file.Tokens[c.Token]
			}
			r := api.AdmitRequest{Token: api.QueryToken(query)}
			r.State.Root = api.BroadcastPath(c.Path).Clean()
			got, err := c.policy(t, keys).Admit(t.Context(), r)
			if c.Granted == nil {
				if !errors.Is(err, api.ErrUnauthorized) || !got.Empty() {
					t.Fatalf("%+v, %v; want refused as %s", got, err, c.Refused)
				}
				checkHidden(t, err.Error(), r.Token)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkGrant(t, got, c.Granted.Publish, c.Granted.Subscribe)
			if want := time.Unix(c.Granted.Expires, 0); c.Granted.Expires != 0 && !got.Expires.Equal(want) || c.Granted.Expires == 0 && !got.Expires.IsZero() {
				t.Errorf("expires %v, want %v", got.Expires, want)
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkGrant compares what is granted, as sets.
func checkGrant(t *testing.T, got api.Grant, publish, subscribe api.Patterns) {
	t.Helper()
	for what, sets := range map[string][2]api.Patterns{"publish": {got.Publish, publish}, "subscribe": {got.Subscribe, subscribe}} {
		slices.Sort(sets[1])
		if !slices.Equal(sets[0], sets[1]) {
			t.Errorf("%s %q, want %q", what, sets[0], sets[1])
		}
	}
}

// checkHidden checks that a text has no part of a token that could be a secret.
func checkHidden(t *testing.T, text, token string) {
	t.Helper()
	for _, part := range strings.Split(token, ".") {
		if len(part) > 8 && strings.Contains(text, part) {
			t.Errorf("%q contains the token", text)
		}
	}
}

func TestKeyFileVectors(t *testing.T) {
	type keyFile struct {
		ID, File string
		Loads    bool
		Want     *bool
		Why      string
	}
	for _, c := range vectors[struct{ Cases []keyFile }](t, "keyfiles").Cases {
		t.Run(c.ID, func(t *testing.T) {
			want := c.Loads
			if c.Want != nil {
				want = *c.Want
			}
			key, err := auth.ParseKey([]byte(c.File))
			if (err == nil) != want {
				t.Fatalf("%v, %v; want it to load: %v (%s)", key, err, want, c.Why)
			}
			if err != nil {
				if strings.Contains(err.Error(), "FrQbS2d") || strings.Contains(err.Error(), "secret-shared") {
					t.Errorf("%v contains the secret", err)
				}
				return
			}
			text, err := key.JWK()
			if err != nil {
				t.Fatal(err)
			}
			again, err := auth.ParseKey(text)
			if err != nil || again.ID() != key.ID() || again.Algorithm() != key.Algorithm() {
				t.Errorf("written and read again: %v, %v", again, err)
			}
		})
	}
}

func TestSetVectors(t *testing.T) {
	type setCase struct {
		ID, Token, Error string
		Set              json.RawMessage
		OK               bool
	}
	tokens := vectors[tokenFile](t, "tokens").Tokens
	tokens["alg-es256"] = tokens["alg-es256-public-key"] // which that of es256 has signed
	named := vectors[struct{ Keys map[string]json.RawMessage }](t, "keys").Keys
	for _, c := range vectors[struct{ Cases []setCase }](t, "sets").Cases {
		t.Run(c.ID, func(t *testing.T) {
			text := c.Set
			var names []string
			if json.Unmarshal(text, &names) == nil {
				members := []json.RawMessage{}
				for _, name := range names {
					members = append(members, named[name])
				}
				text, _ = json.Marshal(map[string]any{"keys": members})
			}
			keys, err := auth.ParseSet(text)
			if err == nil {
				_, err = auth.Verify(t.Context(), keys, tokens[c.Token])
			}
			if (err == nil) != c.OK {
				t.Errorf("%v; want it to be accepted: %v (%s)", err, c.OK, c.Error)
			}
		})
	}
}

func TestIssueVectors(t *testing.T) {
	type issueCase struct {
		Key                    string
		Claims                 map[string]any
		Header, Payload, Token string
	}
	keys := testKeys(t)
	for _, c := range vectors[struct{ Cases []issueCase }](t, "issue").Cases {
		t.Run(c.Payload, func(t *testing.T) {
			token, err := keys[c.Key].Issue(claimsOf(c.Claims))
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(token, ".")
			header, _ := base64.RawURLEncoding.DecodeString(parts[0])
			payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
			if string(header) != c.Header || string(payload) != c.Payload || token != c.Token {
				t.Errorf("%s.%s, want %s.%s", header, payload, c.Header, c.Payload)
			}
		})
	}
}

// claimsOf makes claims of those of a test vector.
func claimsOf(members map[string]any) (c auth.Claims) {
	texts := func(name string) (all []string) {
		list, _ := members[name].([]any)
		for _, v := range list {
			all = append(all, v.(string))
		}
		return all
	}
	root, _ := members["root"].(string)
	c.Root = api.BroadcastPath(root)
	for name, to := range map[string]*api.Patterns{"publish": &c.Publish, "subscribe": &c.Subscribe} {
		for _, text := range texts(name) {
			*to = append(*to, api.Pattern(text))
		}
	}
	for name, to := range map[string]*api.Patterns{"put": &c.Publish, "get": &c.Subscribe} {
		for _, text := range texts(name) {
			*to = append(*to, api.Pattern(api.BroadcastPath(text).Join("**")))
		}
	}
	for name, to := range map[string]*time.Time{"exp": &c.Expires, "nbf": &c.NotBefore, "iat": &c.IssuedAt} {
		if seconds, ok := members[name].(float64); ok {
			*to = time.Unix(int64(seconds), 0)
		}
	}
	return c
}
