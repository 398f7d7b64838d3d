package auth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

// answering is a server that gives one answer.
func answering(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// verdict says in the words of the vectors what became of a session.
func verdict(g api.Grant, err error) string {
	switch {
	case err == nil && !g.Empty() && g.Validate() == nil:
		return "admitted"
	case errors.Is(err, api.ErrUnauthorized) && !errors.Is(err, api.ErrUnavailable):
		return "refused"
	case errors.Is(err, api.ErrUnavailable) && !errors.Is(err, api.ErrUnauthorized):
		return "unavailable"
	default:
		return fmt.Sprintf("%+v, %v", g, err)
	}
}

type contractFile struct {
	Requests []map[string]any
	Answers  []struct {
		Status        int
		Body, Session string
	}
}

func TestAnswerVectors(t *testing.T) {
	answers := vectors[contractFile](t, "contract").Answers
	for _, more := range [][3]string{
		{"200", `{"publish":["**"],"root":"a*"}`, "refused"},
		{"200", `{"publish":["**"],"root":"/"}`, "admitted"},
		{"200", `{"publish":[],"subscribe":[]}`, "refused"},
		{"200", `{"publish":["**"],"mounts":{"a":"/b"}}`, "unavailable"},
		{"200", `{"publish":["**"],"mounts":{}}`, "admitted"},
		{"200", `{"publish":["**"],"mounts":[]}`, "unavailable"},
		{"200", `{"Publish":["**"]}`, "refused"},
		{"200", `{"publish":["**"],"publish":["**"]}`, "unavailable"},
		{"200", `{"publish":["**"]}{}`, "unavailable"},
		{"200", `{"publish":["**"],"expires":4102444800.5}`, "unavailable"},
		{"200", `{"publish":["**"],"expires":"4102444800"}`, "unavailable"},
		{"200", `{"publish":["**"],"expires":null}`, "admitted"},
		{"200", `{"publish":["**"],"peer":1}`, "unavailable"},
		{"200", `{"publish":["**"],"peer":true}`, "admitted"},
		{"200", `{"publish":["**"],"root":7}`, "unavailable"},
		{"200", `{"publish":["a/b"],"root":"` + strings.Repeat("a/", 31) + `"}`, "unavailable"},
		{"200", ``, "unavailable"},
		{"200", strings.Repeat(" ", 2<<20) + `{"publish":["**"]}`, "unavailable"},
		{"201", `{"publish":["**"]}`, "unavailable"},
		{"302", ``, "unavailable"},
		{"400", `{"publish":["**"]}`, "unavailable"},
		{"503", ``, "unavailable"},
	} {
		answers = append(answers, struct {
			Status        int
			Body, Session string
		}{map[string]int{"200": 200, "201": 201, "302": 302, "400": 400, "503": 503}[more[0]], more[1], more[2]})
	}
	for _, a := range answers {
		t.Run(fmt.Sprintf("%d %.60s", a.Status, a.Body), func(t *testing.T) {
			var log bytes.Buffer
			r := (&auth.Remote{URL: "https://example.com", Logger: slog.New(slog.NewTextHandler(&log, nil))}).Through(handled(answering(a.Status, a.Body)))
			g, err := r.Admit(t.Context(), request("demo", "hush"))
			if got := verdict(g, err); got != a.Session {
				t.Errorf("%s, want %s", got, a.Session)
			}
			// The error says why, for the server's log, and nothing is logged besides.
			if log.Len() > 0 || err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("logged: %s; %v", &log, err)
			}
			if strings.Contains(a.Body, "mounts\":{\"") && !strings.Contains(err.Error(), "mounts") {
				t.Errorf("the error does not tell of mounts: %v", err)
			}
		})
	}
}

// TestRemoteAsks checks what is sent, and what is made of the answer.
func TestRemoteAsks(t *testing.T) {
	var events []map[string]any
	body := `{"publish":["a/**"],"subscribe":["**"],"root":"tenant","expires":4102444800,"revalidate":30,"tier":"gold","peer":true}`
	r := (&auth.Remote{URL: "https://example.com", Node: "n1"}).Through(handled(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e map[string]any
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Error(err, r)
		}
		events = append(events, e)
		_, _ = io.WriteString(w, body)
	})))
	dialled, _ := url.Parse("https://127.0.0.1:1//demo/a%2Fb?jwt=a.b.c&x=1")
	q := request("demo/a%2Fb", "a.b.c")
	q.Host, q.State.ID, q.State.Version, q.State.Transport, q.State.URL = "relay.example", "id1", api.Lite06, "webtransport", dialled
	q.State.Remote, q.State.Local = &net.UDPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}, &net.UDPAddr{IP: net.IPv4(1, 2, 3, 5), Port: 6}
	q.State.Peer.Role = api.RolePublisher
	g, err := r.Admit(t.Context(), q)
	if err != nil || g.Root != "tenant" || !g.Expires.Equal(time.Unix(4102444800, 0)) || g.RecheckEvery != 30*time.Second || g.Tier != "gold" || !g.Peer {
		t.Fatalf("%+v, %v", g, err)
	}
	checkGrant(t, g, api.Patterns{"a/**"}, api.Patterns{"**"})
	if again, err := g.Recheck(t.Context()); err != nil || again.Root != "tenant" {
		t.Errorf("%+v, %v", again, err)
	}
	body = `{"publish":["a//b"]}`
	if _, err := g.Recheck(t.Context()); !errors.Is(err, api.ErrInvalidGrant) || !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("rechecked: %v", err)
	}
	g.Ended(api.SessionEnd{Reason: "no error", Duration: 1500 * time.Millisecond, BytesSent: 7, BytesReceived: 8})
	want := map[string]any{
		"id": "id1", "event": "connect", "node": "n1", "transport": "quic", "remote": "1.2.3.4:5", "local": "1.2.3.5:6",
		"server_name": "relay.example", "alpn": "moq-lite-06", "path": "//demo/a%2Fb", "query": "jwt=a.b.c&x=1", "role": "publisher",
	}
	for i, event := range []string{"connect", "revalidate", "revalidate", "end"} {
		want["event"] = event
		if event == "end" {
			want["reason"], want["duration"], want["bytes"] = "no error", 1.5, map[string]any{"sent": 7.0, "received": 8.0}
		}
		if i >= len(events) || !reflect.DeepEqual(events[i], want) {
			t.Fatalf("sent %v, want %v", events, want)
		}
	}
}

// TestRemoteIsAway: a server that does not answer refuses nobody.
func TestRemoteIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := (&auth.Remote{URL: "https://example.com"}).Through(roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		if got := verdict(r.Admit(t.Context(), request("", ""))); got != "unavailable" || time.Since(began) != 10*time.Second {
			t.Errorf("%s after %v", got, time.Since(began))
		}
	})
	away := &auth.Remote{URL: "http://127.0.0.1:1/"}
	if got := verdict(away.Admit(t.Context(), request("", ""))); got != "unavailable" {
		t.Error(got)
	}
	if got := verdict((&auth.Remote{URL: "http://example.com/"}).Admit(t.Context(), request("", ""))); got != "unavailable" {
		t.Error(got)
	}
}

// TestHandlerAnswersRemote: the two ends of the contract agree, on all vectors.
func TestHandlerAnswersRemote(t *testing.T) {
	file, keys := vectors[tokenFile](t, "tokens"), testKeys(t)
	for _, c := range file.Cases {
		t.Run(c.ID, func(t *testing.T) {
			query := c.Query
			if c.Token != "" {
				query = "jwt=" + file.Tokens[c.Token]
			}
			r := (&auth.Remote{URL: "https://example.com"}).Through(handled(auth.Handler(c.policy(t, keys))))
			q := api.AdmitRequest{State: api.SessionState{Root: api.BroadcastPath(c.Path).Clean(), URL: &url.URL{Path: c.Path, RawQuery: query}}}
			g, err := r.Admit(t.Context(), q)
			if c.Granted == nil {
				if got := verdict(g, err); got != "refused" {
					t.Errorf("%s, want refused", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkGrant(t, g, c.Granted.Publish, c.Granted.Subscribe)
			if c.Granted.Expires != 0 && g.Expires.Unix() != c.Granted.Expires {
				t.Errorf("expires %v", g.Expires)
			}
		})
	}
}

func TestHandler(t *testing.T) {
	key := newKey(t, "HS256", "k")
	token := issue(t, key, everything)
	p := &auth.Policy{Keys: auth.Set(key), Certificate: auth.Claims{Publish: api.Patterns{"**"}}, Lifetime: 90 * time.Minute, RecheckEvery: 1500 * time.Millisecond, Tier: "gold"}
	post := func(p *auth.Policy, method, body string) (int, map[string]any) {
		w := httptest.NewRecorder()
		auth.Handler(p).ServeHTTP(w, httptest.NewRequest(method, "/", strings.NewReader(body)))
		checkHidden(t, w.Body.String(), token)
		var answer map[string]any
		_ = json.Unmarshal(w.Body.Bytes(), &answer)
		return w.Code, answer
	}
	value := base64.RawURLEncoding.EncodeToString([]byte(token))
	for body, want := range map[string]int{
		`{"event":"connect","path":"/a","query":"jwt=` + token + `"}`:                                             200,
		`{"event":"revalidate","path":"/a","query":"jwt=` + token + `","x":1,"tls":null}`:                         200,
		`{"event":"connect","path":"/a","token":{"kind":0,"value":"` + value + `"}}`:                              200,
		`{"event":"connect","path":"/a","query":"jwt=` + token + `","token":{"kind":0,"value":"` + value + `"}}`:  200,
		`{"event":"connect","path":"/a","query":"jwt=x","token":{"kind":0,"value":"` + value + `"}}`:              403,
		`{"event":"connect","path":"/a","token":{"kind":1,"value":"` + value + `"}}`:                              403,
		`{"event":"connect","path":"/a"}`:                                                                         403,
		`{"event":"connect","path":"/a","tls":{"name":"x","fingerprint":"00","expires":4102444800,"issuer":"y"}}`: 200,
		`{"event":"connect","path":"/a","query":"jwt=` + token + `","tls":{"name":"x","expires":4102444800}}`:     403,
		`{"event":"connect","path":"/a","tls":{"name":"x"}}`:                                                      400,
		`{"event":"end","id":"x","reason":"expired"}`:                                                             204,
		`{"event":"start","path":"/a"}`:                                                                           400,
		`{"event":"connect"}`:                                                                                     400,
		`{"event":"connect","path":7}`:                                                                            400,
		`{"event":"connect","path":"/a","path":"/b"}`:                                                             400,
		`[]`: 400,
		``:   400,
		`{"event":"connect","path":"/a","query":"` + strings.Repeat("a", 300<<10) + `"}`: 400,
	} {
		status, answer := post(p, http.MethodPost, body)
		if status != want {
			t.Errorf("%.100s: %d, want %d", body, status, want)
		}
		if status == 200 && (answer["revalidate"] != 2.0 || answer["expires"] == nil || answer["tier"] != "gold") {
			t.Errorf("%.100s: %v", body, answer)
		}
	}
	if status, _ := post(p, http.MethodGet, ""); status != 405 {
		t.Errorf("GET: %d", status)
	}
	if status, _ := post(&auth.Policy{Keys: brokenKeys{}}, http.MethodPost, `{"event":"connect","path":"/a","query":"jwt=`+token+`"}`); status != 503 {
		t.Errorf("without keys: %d", status)
	}
	// Without an end, a relay would not take the pace.
	if _, answer := post(&auth.Policy{Keys: auth.Set(key), RecheckEvery: time.Second}, http.MethodPost, `{"event":"connect","path":"/a","query":"jwt=`+token+`"}`); answer["revalidate"] != nil || answer["publish"] == nil {
		t.Errorf("%v", answer)
	}
}

// TestRequestVectors posts what a moq-relay has sent.
func TestRequestVectors(t *testing.T) {
	p := &auth.Policy{Public: auth.Claims{Publish: api.Patterns{"**"}}}
	for _, e := range vectors[contractFile](t, "contract").Requests {
		delete(e, "query") // the tokens are left out there
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		auth.Handler(p).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(text)))
		if want := map[any]int{"connect": 200, "end": 204}[e["event"]]; w.Code != want {
			t.Errorf("%s: %d %s, want %d", text, w.Code, w.Body, want)
		}
	}
}

// TestURLsThatAreAsked: no secret goes over an open network.
func TestURLsThatAreAsked(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://example.com/a": true, "http://127.0.0.1:4440": true, "http://localhost/": true, "http://[::1]:1/": true,
		"unix:///run/auth": true, "http://example.com/": false, "http://127.0.0.1.example.com/": false, "unix:": false,
		"ftp://localhost/": false, "": false, "example.com": false, "https:///x": false, "http://user:hush@example.com/?hush": false,
	} {
		err := (&auth.Remote{URL: url}).Validate()
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if err := auth.URL("unix:///run/auth").Load(t.Context()); err == nil {
		t.Error("keys from a socket")
	}
}
