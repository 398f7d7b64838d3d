//go:build unix

package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

// moqCLI returns the path of the Rust command line, or skips the test: what it
// shows of tokens, moq-relay does not depend on.
func moqCLI(t *testing.T) string {
	t.Helper()
	for _, name := range chosen("MOQ_CLI", "moq-cli", "../../../shared/peers/bin/moq-cli") {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("moq-cli is missing: " + getCLI)
	return ""
}

// output runs a program to its end, and returns what it prints on standard
// output.
func output(t *testing.T, stdin, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), err
}

// TestTokensOfOthers exchanges keys and tokens with moq-cli, in each algorithm:
// who has made the key, the other one signs with it, and both verify.
func TestTokensOfOthers(t *testing.T) {
	theirs := moqCLI(t)
	for _, algorithm := range auth.Algorithms() {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			for maker, make := range map[string][]string{
				"ours": {binary, "token", "key", "--alg", algorithm}, "theirs": {theirs, "auth", "generate", "--algorithm", algorithm},
			} {
				dir := t.TempDir()
				key, public := filepath.Join(dir, "key.jwk"), filepath.Join(dir, "public.jwk")
				args := append(make[1:], "--id", "k1", "--out", key)
				if strings.HasPrefix(algorithm, "HS") {
					public = key
				} else {
					args = append(args, "--public", public)
				}
				if out, err := output(t, "", make[0], args...); err != nil {
					t.Fatalf("%s: %v\n%s", maker, err, out)
				}
				for signer, sign := range map[string][]string{"ours": {binary, "token", "sign"}, "theirs": {theirs, "auth", "sign"}} {
					token, err := output(t, "", sign[0], append(sign[1:], "--key", key, "--root", "demo", "--publish", "cam/**", "--subscribe", "*-hd")...)
					if err != nil {
						t.Fatalf("%s with the key of %s: %v", signer, maker, err)
					}
					forged := strings.Replace(token, ".", ".A", 1)
					for verifier, verify := range map[string][]string{"ours": {binary, "token", "verify"}, "theirs": {theirs, "auth", "verify"}} {
						out, err := output(t, token, verify[0], append(verify[1:], "--key", public)...)
						if err != nil || !strings.Contains(out, "cam/**") || !strings.Contains(out, "*-hd") {
							t.Errorf("key of %s, token of %s: %s say %v %s", maker, signer, verifier, err, out)
						}
						if out, err := output(t, forged, verify[0], append(verify[1:], "--key", public)...); err == nil {
							t.Errorf("%s accept a forged token: %s", verifier, out)
						}
					}
				}
			}
		})
	}
}

// A tokenCase is one of the vectors of package auth.
type tokenCase struct {
	ID, Path, Key, Token, Query string
	Public, Granted             json.RawMessage
	Why                         string // the standard that moq-auth does not keep to
}

// tokenCases returns the vectors that need no other key than hs256, as queries,
// and the file of that key.
func tokenCases(t *testing.T) (cases []tokenCase, key string) {
	t.Helper()
	var keys struct{ Keys map[string]json.RawMessage }
	var file struct {
		Tokens map[string]string
		Cases  []tokenCase
	}
	for name, to := range map[string]any{"keys": &keys, "tokens": &file} {
		text, err := os.ReadFile(filepath.Join("..", "auth", "testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, to); err != nil {
			t.Fatal(err)
		}
	}
	key = filepath.Join(t.TempDir(), "hs256.jwk")
	if err := os.WriteFile(key, keys.Keys["hs256"], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		if c.Key != "hs256" || c.Public != nil {
			continue
		}
		if c.Token != "" {
			c.Query = "jwt=" + file.Tokens[c.Token]
		}
		cases = append(cases, c)
	}
	return cases, key
}

// An authServer is what moq-relay asks about sessions.
type authServer struct {
	name  string
	start func(t *testing.T, key string, rest ...string) (url string, p *process)
}

var authServers = []authServer{
	{"ours", func(t *testing.T, key string, rest ...string) (string, *process) {
		p := moq(t, append([]string{"token", "serve", "--listen", "127.0.0.1:0", "--key", key, "--json"}, rest...)...)
		return p.expect("ready")["url"].(string), p
	}},
	{"moq-cli", func(t *testing.T, key string, rest ...string) (string, *process) {
		addr := freePort(t)
		p := start(t, moqCLI(t), append([]string{"auth", "serve", "--listen", addr, "--key", key}, rest...)...)
		for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if conn, err := net.Dial("tcp", addr); err == nil {
				_ = conn.Close()
				return "http://" + addr + "/", p
			}
		}
		t.Fatal("moq-cli does not listen")
		return "", nil
	}},
}

// relayAsking starts moq-relay with a server to ask. It returns its addresses, of which
// the second is that of plain TCP.
func relayAsking(t *testing.T, url string) (addr, tcp string) {
	t.Helper()
	addr, tcp = freePort(t), freePort(t)
	start(t, need(t, "moq-relay", getRelay, relayBinaries()...), append(listenArgs(addr), "--listen-tcp-bind", tcp, "--auth-url", url)...)
	fingerprintAt(t, addr)
	return addr, tcp
}

// at returns the address of a side.
func (s side) at(addr, tcp string) string {
	if s.scheme == "tcp" {
		return tcp
	}
	return addr
}

// verdict dials, and says what became of the session. What is admitted is known
// by an answer to a request: that there is no such broadcast.
func (s side) verdict(t *testing.T, addr, path, query string) string {
	t.Helper()
	client := s.client()
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	url := s.scheme + "://" + addr + path
	if query != "" {
		url += "?" + query
	}
	session, err := client.Dial(ctx, url, api.NewTrackMux())
	if err == nil {
		_, err = session.Subscribe(ctx, "no/such/broadcast", track, nil)
		if answered, ok := errors.AsType[*api.StreamError](err); ok && answered.Remote {
			return "admitted"
		}
	}
	switch {
	case errors.Is(err, api.ErrUnauthorized):
		return "refused"
	case errors.Is(err, api.ErrUnavailable):
		return "unavailable"
	default:
		return fmt.Sprintf("%v", err)
	}
}

// carrying are sides that carry a path and a query.
var carrying = []side{
	{"moqt", "moq-lite-06"}, {"moqt", "moq-lite-05"}, {"https", "moq-lite-06"}, {"https", "moq-lite-04"},
	{"https", "moq-lite-03"}, {"ws", "moq-lite-06"}, {"ws", "moq-lite-03"}, {"tcp", "moq-lite-06"}, {"tcp", "moq-lite-05"},
}

// checkVerdicts dials a relay with each vector, over each transport.
func checkVerdicts(t *testing.T, cases []tokenCase, addr, tcp string) {
	t.Helper()
	t.Run("vectors", func(t *testing.T) {
		for _, s := range carrying {
			t.Run(s.String(), func(t *testing.T) {
				t.Parallel()
				for _, c := range cases {
					want := "refused"
					if c.Granted != nil {
						want = "admitted"
					}
					if got := s.verdict(t, s.at(addr, tcp), c.Path, c.Query); got != want {
						t.Errorf("%s: %s, want %s", c.ID, got, want)
					}
				}
			})
		}
	})
}

// TestTokensThroughMoqRelay dials moq-relay with each vector, over each
// transport; the relay asks our server, and moq-cli's. When the server is gone,
// nobody is refused.
func TestTokensThroughMoqRelay(t *testing.T) {
	for _, server := range authServers {
		t.Run(server.name, func(t *testing.T) {
			cases, key := tokenCases(t)
			if len(cases) < 30 {
				t.Fatalf("only %d cases", len(cases))
			}
			url, process := server.start(t, key)
			addr, tcp := relayAsking(t, url)
			if server.name != "ours" {
				cases = slices.DeleteFunc(cases, func(c tokenCase) bool { return c.Why != "" })
			}
			checkVerdicts(t, cases, addr, tcp)
			process.end()
			for _, s := range carrying {
				if got := s.verdict(t, s.at(addr, tcp), cases[0].Path, cases[0].Query); got != "unavailable" {
					t.Errorf("%v: without the server: %s", s, got)
				}
			}
		})
	}
}

// TestTokensThroughOurRelay dials moq relay with each vector, over each transport: it
// decides by the key itself, and by asking our server, which is then gone.
func TestTokensThroughOurRelay(t *testing.T) {
	cases, key := tokenCases(t)
	addr, _ := ourRelay(t, "", "--auth-key", key)
	checkVerdicts(t, cases, addr, addr)
	url, process := authServers[0].start(t, key)
	addr, _ = ourRelay(t, "", "--auth-url", url)
	checkVerdicts(t, cases, addr, addr)
	process.end()
	for _, s := range carrying {
		if got := s.verdict(t, addr, cases[0].Path, cases[0].Query); got != "unavailable" {
			t.Errorf("%v: without the server: %s", s, got)
		}
	}
}

// TestBrowserSeesRefusals: Chromium is given a session, and then the code with which our
// relay closes it.
func TestBrowserSeesRefusals(t *testing.T) {
	_, key := tokenCases(t)
	for _, test := range []struct {
		name, flag, value string
		code              float64
	}{
		{"refused", "--auth-key", key, 2},
		{"unavailable", "--auth-url", "http://" + freePort(t) + "/", 566},
	} {
		for _, version := range javaScript {
			// One at a time: a browser that gets too little of the processor is told
			// of the end of the connection, which follows within a second, together
			// with that of the session, and then reports a lost connection.
			t.Run(test.name+" "+version, func(t *testing.T) {
				addr, _ := ourRelay(t, "", test.flag, test.value)
				page := chromium(t, "closed", "--url", "https://"+addr+"/demo", "--version", version, "--fingerprint", fingerprintAt(t, addr))
				page.expect("ready")
				if end := page.expect("closeCode"); end["closeCode"] != test.code {
					t.Errorf("closed with %v, want %v", end, test.code)
				}
				page.succeed()
			})
		}
	}
}

// TestGrantsThroughMoqRelay: what our tokens let a publisher announce, others
// see, and nothing else.
func TestGrantsThroughMoqRelay(t *testing.T) {
	for _, server := range authServers {
		t.Run(server.name, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "key.jwk")
			key, err := auth.NewKey("HS256", "k1")
			if err != nil {
				t.Fatal(err)
			}
			if err := key.WriteFile(name); err != nil {
				t.Fatal(err)
			}
			query := func(c auth.Claims) string {
				token, err := key.Issue(c)
				if err != nil {
					t.Fatal(err)
				}
				return "?jwt=" + token
			}
			url, _ := server.start(t, name)
			addr, tcp := relayAsking(t, url)
			watcher := query(auth.Claims{Subscribe: api.Patterns{"**"}})
			for _, s := range carrying {
				mux := api.NewTrackMux()
				root := api.BroadcastPath(strings.ReplaceAll(s.String(), " ", ""))
				for _, path := range []api.BroadcastPath{"other", "cam/x"} {
					if err := mux.PublishFunc(t.Context(), path, func(api.TrackWriter) {}); err != nil {
						t.Fatal(err)
					}
				}
				s.dial(t, s.at(addr, tcp)+"/"+string(root)+query(auth.Claims{Root: root, Publish: api.Patterns{"cam/**"}}), mux)
				viewer, _ := s.dial(t, s.at(addr, tcp)+"/"+watcher, api.NewTrackMux())
				checkAnnouncedFirst(t, viewer, root, root.Join("cam/x"))
			}
		})
	}
}

// checkAnnouncedFirst checks the first announcement below a prefix.
func checkAnnouncedFirst(t *testing.T, s api.Session, prefix, want api.BroadcastPath) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r, err := s.Announcements(ctx, string(prefix))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		a, err := r.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if a.Status != api.AnnouncementsComplete {
			if a.Path != want {
				t.Errorf("%q is announced, want %q", a.Path, want)
			}
			return
		}
	}
}

// TestKeysAreReplacedUnderMoqRelay: a session whose token's key is gone ends
// where the relay asks again, and goes on where it does not.
func TestKeysAreReplacedUnderMoqRelay(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key.jwk")
	replace := func() *auth.Key {
		key, err := auth.NewKey("ES256", "k1")
		if err != nil {
			t.Fatal(err)
		}
		if err := key.WriteFile(name); err != nil {
			t.Fatal(err)
		}
		return key
	}
	token, err := replace().Issue(auth.Claims{Subscribe: api.Patterns{"**"}})
	if err != nil {
		t.Fatal(err)
	}
	ours := authServers[0]
	once, _ := ours.start(t, name)
	again, _ := ours.start(t, name, "--expires", "10m", "--recheck", "1s")
	s := carrying[0]
	alone, _ := relayAsking(t, once)
	lasting, _ := s.dial(t, alone+"/?jwt="+token, api.NewTrackMux())
	asked, _ := relayAsking(t, again)
	ending, _ := s.dial(t, asked+"/?jwt="+token, api.NewTrackMux())
	for _, session := range []api.Session{lasting, ending} {
		if _, err := session.Subscribe(t.Context(), "no/such", track, nil); err == nil {
			t.Fatal("a broadcast that nobody has")
		}
	}
	replace()
	select {
	case <-ending.Context().Done():
	case <-time.After(limit):
		t.Fatal("the session goes on")
	}
	if err := context.Cause(ending.Context()); !errors.Is(err, api.ErrUnauthorized) {
		t.Errorf("it ended with %v", err)
	}
	if err := context.Cause(lasting.Context()); err != nil {
		t.Errorf("the other one ended with %v", err)
	}
	if got := s.verdict(t, asked, "/", "jwt="+token); got != "refused" {
		t.Errorf("the token is %s", got)
	}
}
