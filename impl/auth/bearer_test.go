package auth_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

func TestBearer(t *testing.T) {
	const token = "eyJh.eyJi.c_-2"
	for from, want := range map[string]string{
		"https://relay.example":                    "https://relay.example?jwt=" + token,
		"moqt://relay.example:4443/a%2Fb/c":        "moqt://relay.example:4443/a%2Fb/c?jwt=" + token,
		"wss://u:p@relay.example/?x=%20&y=;z":      "wss://u:p@relay.example/?x=%20&y=;z&jwt=" + token,
		"https://relay.example/?jwt=":              "https://relay.example/?jwt=&jwt=" + token,
		"https://relay.example/?JWT=x&njwt=y#part": "https://relay.example/?JWT=x&njwt=y&jwt=" + token + "#part",
	} {
		got, err := auth.Bearer(from, token)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", from, got, err, want)
			continue
		}
		if u, err := url.Parse(got); err != nil || api.QueryToken(u.RawQuery) != token {
			t.Errorf("%s: the token cannot be read: %v", got, err)
		}
	}
}

// TestBearerRefuses what a server could not read, without repeating secrets.
func TestBearerRefuses(t *testing.T) {
	for name, c := range map[string]struct{ url, token, want string }{
		"no URL":       {"https://secret%zz", "t", "malformed"},
		"no scheme":    {"relay.example/secret", "t", "no scheme"},
		"no host":      {"https:///secret", "t", "host"},
		"a token":      {"https://u:secret@relay.example/?jwt=secret", "t", "https://relay.example has a token"},
		"none given":   {"https://relay.example", "", "empty"},
		"a line end":   {"https://relay.example", "secret\n", "line end"},
		"a parameter":  {"https://relay.example", "secret&x=1", "character"},
		"an escape":    {"https://relay.example", "secret%2E", "character"},
		"not in ASCII": {"https://relay.example", "secré", "character"},
	} {
		got, err := auth.Bearer(c.url, c.token)
		if err == nil || got != "" || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secr") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
