package main

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// printed runs a command to its end, and returns what it has printed on standard
// output.
func printed(t *testing.T, status int, stdin string, args ...string) (out, complaint string) {
	t.Helper()
	c := start(t, stdin, args...)
	c.wait(status)
	return c.out.String(), c.err.String()
}

func TestTokens(t *testing.T) {
	transporttest.NoLeaks(t)
	dir := t.TempDir()
	private, public := filepath.Join(dir, "key.jwk"), filepath.Join(dir, "public.jwk")
	if out, _ := printed(t, exitDone, "", "token", "key", "--id", "k1", "--out", private, "--public", public, "--json"); !strings.Contains(out, `"id":"k1"`) {
		t.Errorf("key prints %s", out)
	}
	info, err := os.Stat(private)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	token, _ := printed(t, exitDone, "", "token", "sign", "--key", private, "--root", "demo", "--publish", "cam/**", "--subscribe", "**", "--expires", "1h")
	if strings.Count(token, ".") != 2 || strings.Count(token, "\n") != 1 {
		t.Fatalf("sign prints %q", token)
	}
	for _, test := range []struct {
		stdin string
		args  []string
		want  []string
	}{
		{token, nil, []string{"below      /demo", "publish    cam/**", "subscribe  **", "expires    20"}},
		{"https://relay/demo?x=1&jwt=" + token, []string{"--at", "/demo/cam"}, []string{"at         /demo/cam", "publish    **"}},
		{token, []string{"--at", "demo/x"}, []string{"publish    nothing", "subscribe  **"}},
		{token, []string{"--at", "/", "--json"}, []string{`"publish":["demo/cam/**"]`, `"subscribe":["demo/**"]`, `"expires":`, `"root":""`}},
	} {
		for _, keys := range []string{public, private} {
			out, _ := printed(t, exitDone, test.stdin, append([]string{"token", "verify", "--key", keys}, test.args...)...)
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("verify %v prints\n%swithout %q", test.args, out, want)
				}
			}
		}
	}
	keys := filepath.Join(dir, "keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	printed(t, exitDone, "", "token", "key", "--id", "k2", "--alg", "HS256", "--out", filepath.Join(keys, "k2.jwk"), "--root", "a", "--publish", "**")
	limited, _ := printed(t, exitDone, "", "token", "sign", "--key", filepath.Join(keys, "k2.jwk"), "--root", "a/b", "--publish", "**", "--expires", "0")
	if out, _ := printed(t, exitDone, limited, "token", "verify", "--key", keys); !strings.Contains(out, "expires    never") {
		t.Errorf("verify prints %s", out)
	}
	for _, test := range []struct {
		stdin, args, want string
		status            int
	}{
		{token, "verify --key " + public + " --at /other", `what is granted is at "demo", and not at "other"`, exitFailed},
		{token[:20] + "x" + token[21:], "verify --key " + public, "token: ", exitFailed},
		{token, "verify --key " + keys, `there is no key "k1"`, exitFailed},
		{token, "verify --key " + filepath.Join(dir, "missing"), "no such file", exitFailed},
		{"", "verify --key " + public, "no token on standard input", exitUsage},
		{token, "verify", "--key is missing", exitUsage},
		{"", "sign --key " + private, "would grant nothing", exitUsage},
		{"", "sign --key " + private + " --publish a//b", "empty path segment", exitUsage},
		{"", "sign --key " + public + " --publish a", "is not for signing", exitFailed},
		{"", "sign --key " + filepath.Join(keys, "k2.jwk") + " --root b --publish a", "the key's tokens may publish [a/**]", exitFailed},
		{"", "key --alg HS256 --public " + public, "no public part", exitUsage},
		{"", "key --alg none", "is none of", exitUsage},
		{"", "key --id ../x", "the id may have", exitUsage},
		{"", "serve", "everyone would be refused", exitUsage},
		{"", "serve --public anon", `write "anon/**"`, exitUsage},
		{"", "serve --public ** --listen 0.0.0.0:0", "--listen-public", exitUsage},
		{"", "serve --public ** --recheck 1s", "needs --expires", exitUsage},
		{"", "serve --key " + filepath.Join(dir, "missing"), "no such file", exitFailed},
		{"", "nonsense", "unknown command", exitUsage},
	} {
		_, complaint := printed(t, test.status, test.stdin, append([]string{"token"}, strings.Fields(test.args)...)...)
		if !strings.Contains(complaint, test.want) || strings.Contains(complaint, "?jwt=") {
			t.Errorf("token %s: %s", test.args, complaint)
		}
		if signature := strings.TrimSpace(token[strings.LastIndexByte(token, '.')+1:]); strings.Contains(complaint, signature) {
			t.Errorf("token %s shows the token: %s", test.args, complaint)
		}
	}
}

// TestTokenServer asks the server as a relay does, over TCP and over a socket,
// and changes its key meanwhile.
func TestTokenServer(t *testing.T) {
	transporttest.NoLeaks(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "key.jwk")
	listens := []string{"127.0.0.1:0"}
	if runtime.GOOS != "windows" {
		listens = append(listens, "unix:"+filepath.Join(dir, "s"))
	}
	for _, listen := range listens {
		t.Run(listen, func(t *testing.T) {
			before, err := auth.NewKey("HS256", "a")
			if err != nil {
				t.Fatal(err)
			}
			if err := before.WriteFile(file); err != nil {
				t.Fatal(err)
			}
			server := start(t, "", "token", "serve", "--listen", listen, "--key", file, "--public-subscribe", "open/**", "--tier", "gold", "--json")
			server.out.await(t, "\n")
			remote := &auth.Remote{URL: server.lines()[0]["url"].(string)}
			admit := func(path api.BroadcastPath, key *auth.Key) (api.Grant, error) {
				t.Helper()
				r := api.AdmitRequest{State: api.SessionState{Root: path}}
				if key != nil {
					token, err := key.Issue(auth.Claims{Publish: api.Patterns{"**"}})
					if err != nil {
						t.Fatal(err)
					}
					r.State.URL = &url.URL{Path: "/" + string(path), RawQuery: "jwt=" + token}
				}
				return remote.Admit(context.Background(), r)
			}
			if g, err := admit("x", before); err != nil || len(g.Publish) != 1 || g.Tier != "gold" {
				t.Errorf("with a token: %+v, %v", g, err)
			}
			if g, err := admit("open", nil); err != nil || len(g.Subscribe) != 1 {
				t.Errorf("in public: %+v, %v", g, err)
			}
			if _, err := admit("x", nil); !errors.Is(err, api.ErrUnauthorized) {
				t.Errorf("elsewhere: %v", err)
			}
			printed(t, exitDone, "", "token", "key", "--alg", "HS256", "--out", file)
			if _, err := admit("x", before); !errors.Is(err, api.ErrUnauthorized) {
				t.Errorf("with a token of the key before: %v", err)
			}
			server.cancel()
			server.wait(exitDone)
			if _, err := admit("open", nil); !errors.Is(err, api.ErrUnavailable) {
				t.Errorf("when the server has gone: %v", err)
			}
		})
	}
}
