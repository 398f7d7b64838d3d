package auth_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

// signed makes a token of any header and payload, with the key hs256 of
// testdata.
func signed(t testing.TB, header, payload string) string {
	t.Helper()
	var key struct{ K string }
	if err := json.Unmarshal(vectors[struct{ Keys map[string]json.RawMessage }](t, "keys").Keys["hs256"], &key); err != nil {
		t.Fatal(err)
	}
	secret, err := base64.RawURLEncoding.DecodeString(key.K)
	if err != nil {
		t.Fatal(err)
	}
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return input + "." + mac(secret, input)
}

func mac(secret []byte, input string) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(input))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

const plainHeader = `{"alg":"HS256"}`

// payloads are claims, and whether a token may have them.
var payloads = map[string]bool{
	`{"put":""}`:                  true,
	`{"get":["a"]}`:               true,
	` {"put" : [ "a" , "b/" ] } `: true,
	`{"subscribe":["**"],"iss":null,"sub":{"a":[1]},"jti":7}`: true,
	`{"p\u0075t":""}`:                      true,
	`{"put":"\ufffd"}`:                     true,
	`{"put":"","exp":4611686018427387903}`: true,
	`{"put":"","iat":4102444800,"nbf":0}`:  true,
	`{}`:                                   false,
	`[]`:                                   false,
	`"put"`:                                false,
	``:                                     false,
	`{"put":""}{"put":""}`:                 false,
	`{"put":"",}`:                          false,
	"\ufeff" + `{"put":""}`:                false,
	`{"put":"` + "\xff" + `"}`:             false,
	`{"put":"\ud800"}`:                     false,
	`{"put":"","put":""}`:                  false,
	`{"put":"","p\u0075t":""}`:             false,
	`{"put":"","sub":1,"sub":1}`:           false,
	`{"put":"","Root":"demo"}`:             false,
	`{"put":"","PUT":""}`:                  false,
	`{"put":"","Exp":1}`:                   false,
	`{"put":"","aud":"relay"}`:             false,
	`{"put":"","":1}`:                      false,
	`{"put":"","root":null}`:               false,
	`{"put":null}`:                         false,
	`{"put":[null]}`:                       false,
	`{"put":[["a"]]}`:                      false,
	`{"put":"","get":{}}`:                  false,
	`{"publish":null,"get":""}`:            false,
	`{"publish":["a"],"get":["a"]}`:        false,
	`{"publish":[],"put":["a"]}`:           false,
	`{"publish":["/a"]}`:                   false,
	`{"publish":["a/"]}`:                   false,
	`{"put":"","nbf":4102444800}`:          false,
	`{"put":"","nbf":null}`:                false,
	`{"put":"","nbf":-5}`:                  true,
	`{"put":"","exp":-5}`:                  false,
	`{"put":"","nbf":-0}`:                  false,
	`{"put":"","sub":{"a":{"b":1,"c":"b","b":2}}}`:                                   false,
	`{"put":"","sub":[{"a":"a"},{"a":["a","a"]},"a","a"]}`:                           true,
	`{"root":"` + strings.Repeat("a/", 33) + `","publish":["b"]}`:                    false,
	`{"put":"","iat":null}`:                                                          false,
	`{"put":"","iat":-1}`:                                                            true,
	`{"put":"","exp":"4102444800"}`:                                                  false,
	`{"put":"","exp":4102444800.0}`:                                                  false,
	`{"put":"","exp":41e9}`:                                                          false,
	`{"put":"","exp":-0}`:                                                            false,
	`{"put":"","exp":true}`:                                                          false,
	`{"put":"","exp":[4102444800]}`:                                                  false,
	`{"put":"","exp":9223372036854775807}`:                                           true,
	`{"put":"","exp":18446744073709551616}`:                                          false,
	`{"root":"` + strings.Repeat("a/", 32) + `","publish":["b"]}`:                    true,
	`{"root":"a","publish":["` + strings.Repeat("b/", 31) + `b"]}`:                   true,
	`{"root":"a","publish":["` + strings.Repeat("b/", 30) + `b"]}`:                   true,
	`{"put":"","iss":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `}`: true,
}

func TestClaimsAreReadStrictly(t *testing.T) {
	keys := auth.Set(testKeys(t)["hs256"])
	for payload, ok := range payloads {
		_, err := auth.Verify(t.Context(), keys, signed(t, plainHeader, payload))
		if (err == nil) != ok {
			t.Errorf("%.80s: %v; want it to be accepted: %v", payload, err, ok)
		}
		if err != nil && !errors.Is(err, api.ErrUnauthorized) {
			t.Errorf("%.80s: %v is no refusal", payload, err)
		}
	}
}

func TestHeadersAreReadStrictly(t *testing.T) {
	keys := auth.Set(testKeys(t)["hs256"])
	for header, ok := range map[string]bool{
		plainHeader:                                  true,
		`{"alg":"HS256","typ":7,"x":null}`:           true,
		`{"alg":"HS256","kid":"hs256"}`:              true,
		`{"alg":"HS256","kid":7}`:                    false,
		`{"alg":"HS256","kid":null}`:                 true,
		`{"alg":"HS256","kid":"other"}`:              false,
		`{"alg":"HS256","alg":"HS256"}`:              false,
		`{"alg":"none","alg":"HS256"}`:               false,
		`{"Alg":"HS256"}`:                            false,
		`{"alg":"hs256"}`:                            false,
		`{"alg":["HS256"]}`:                          false,
		`{"alg":"HS256","crit":[]}`:                  false,
		`{"alg":"HS256","crit":null}`:                false,
		`{"alg":"HS256","b64":false,"crit":["b64"]}`: false,
		`["HS256"]`:                                  false,
		``:                                           false,
	} {
		if _, err := auth.Verify(t.Context(), keys, signed(t, header, `{"put":""}`)); (err == nil) != ok {
			t.Errorf("%s: %v; want it to be accepted: %v", header, err, ok)
		}
	}
}

// TestTokensHaveOneForm changes a token in ways that lenient decoders take for
// the same.
func TestTokensHaveOneForm(t *testing.T) {
	keys := auth.Set(testKeys(t)["hs256"])
	token := signed(t, plainHeader, `{"put":""}`)
	last := token[len(token)-1]
	for name, text := range map[string]string{
		"padding": token + "=", "line break": token[:20] + "\n" + token[20:], "space": " " + token, "trailing space": token + " ",
		"line break at the end": token + "\n", "carriage return": token[:4] + "\r" + token[4:], "bits": token[:len(token)-1] + string(last+1),
		"empty": "", "dots": "..", "JSON": `{"payload":"","signatures":[]}`, "large": token + strings.Repeat("A", 1<<16),
		"escaped": strings.Replace(token, ".", "%2E", 1), "detached": strings.Split(token, ".")[0] + ".." + strings.Split(token, ".")[2],
	} {
		if _, err := auth.Verify(t.Context(), keys, text); !errors.Is(err, api.ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := auth.Verify(t.Context(), keys, token); err != nil {
		t.Error(err)
	}
}

type brokenKeys struct{}

func (brokenKeys) Key(context.Context, string) (*auth.Key, error) { return nil, api.ErrUnavailable }

// TestKeysThatCannotBeHad is no refusal.
func TestKeysThatCannotBeHad(t *testing.T) {
	_, err := auth.Verify(t.Context(), brokenKeys{}, signed(t, plainHeader, `{"put":""}`))
	if !errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrUnauthorized) {
		t.Error(err)
	}
}

func TestClaimsAt(t *testing.T) {
	claims := auth.Claims{Root: "/demo/", Publish: api.Patterns{"a/**"}, Subscribe: api.Patterns{"**"}, Expires: time.Unix(4102444800, 0)}
	for path, want := range map[api.BroadcastPath][2]api.Patterns{
		"": {{"demo/a/**"}, {"demo/**"}}, "demo": {{"a/**"}, {"**"}}, "demo/a/b": {{"**"}, {"**"}}, "demo/b": {nil, {"**"}},
	} {
		g, err := claims.At(path)
		if err != nil || !g.Expires.Equal(claims.Expires) {
			t.Errorf("%q: %v, %v", path, g.Expires, err)
		}
		checkGrant(t, g, want[0], want[1])
	}
	for _, path := range []api.BroadcastPath{"demox", "dem", "Demo", "de%6do", "demo%2Fa", "other", "demo/*", "demo/a*b", "demo/" + api.BroadcastPath(strings.Repeat("a/", 32))} {
		if g, err := claims.At(path); !errors.Is(err, api.ErrUnauthorized) || !g.Empty() {
			t.Errorf("%q: %+v, %v", path, g, err)
		}
	}
	deep := auth.Claims{Root: api.BroadcastPath(strings.Repeat("a/", 32)), Publish: api.Patterns{"b"}}
	if g, err := deep.At(deep.Root); err != nil || len(g.Publish) != 1 {
		t.Errorf("%+v, %v", g, err)
	}
	for _, claims := range []auth.Claims{deep, {}, {Root: "a*", Publish: api.Patterns{"b"}}, {Publish: api.Patterns{"a//b"}}} {
		if _, err := claims.At(""); !errors.Is(err, api.ErrUnauthorized) {
			t.Errorf("%+v: %v", claims, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	file := vectors[tokenFile](f, "tokens")
	for _, token := range file.Tokens {
		f.Add(token)
	}
	keys := auth.Set(testKeys(f)["hs256"])
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := auth.Verify(t.Context(), keys, token)
		if err != nil {
			if !errors.Is(err, api.ErrUnauthorized) {
				t.Error(err)
			}
			checkHidden(t, err.Error(), token)
			return
		}
		if _, err := claims.At(claims.Root); err != nil {
			t.Errorf("%+v: %v", claims, err)
		}
	})
}

// FuzzClaims reads payloads whose signature is right.
func FuzzClaims(f *testing.F) {
	f.Add(`{"root":"demo","put":["a"],"get":"","exp":4102444800}`)
	f.Add(`{"publish":["a/*","**/b"]}`)
	key := testKeys(f)["hs256"]
	keys := auth.Set(key)
	f.Fuzz(func(t *testing.T, payload string) {
		claims, err := auth.Verify(t.Context(), keys, signed(t, plainHeader, payload))
		if err != nil {
			return
		}
		token, err := key.Issue(claims)
		if err != nil {
			if claims.NotBefore.Equal(time.Unix(0, 0)) || claims.IssuedAt.Equal(time.Unix(0, 0)) || len(payload) > 40<<10 {
				return
			}
			t.Fatalf("%+v: %v", claims, err)
		}
		again, err := auth.Verify(t.Context(), keys, token)
		if err != nil || !again.Publish.Covers(claims.Publish) || !claims.Subscribe.Covers(again.Subscribe) || again.Root != claims.Root {
			t.Errorf("%+v is issued again as %+v, %v", claims, again, err)
		}
	})
}
