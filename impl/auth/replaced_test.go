package auth_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/auth"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// soakTime returns how long a soak lasts: MOQ_SOAK, or less.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("MOQ_SOAK")
	switch {
	case text == "" && testing.Short():
		return 3 * time.Second
	case text == "":
		return 15 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("MOQ_SOAK: %v", err)
	}
	return d
}

// replaceKey writes a new key to a directory, in place of the one of the same id, and returns a token of it.
func replaceKey(t *testing.T, dir, id string) (token string) {
	t.Helper()
	key, err := auth.NewKey("ES256", id)
	if err != nil {
		t.Fatal(err)
	}
	if token, err = key.Issue(auth.Claims{Root: "site", Publish: api.Patterns{"**"}, Subscribe: api.Patterns{"**"}}); err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	if err := public.WriteFile(filepath.Join(dir, id+".jwk")); err != nil {
		t.Fatal(err)
	}
	return token
}

// TestKeyIsReplacedUnderLoad replaces a key in the directory of a relay at work: no session
// that was admitted loses a group, no token of the key before is admitted afterwards, and
// those of the new one are at once.
func TestKeyIsReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := replaceKey(t, dir, "k1")
	policy := &auth.Policy{Keys: auth.Dir(dir)}
	relay := moqtest.NewUnstartedRelay()
	relay.Config.Admit = policy.Admit
	relay.StartSockets()
	defer relay.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()

	url := func(w way, token string) string {
		return w.scheme + strings.TrimPrefix(relay.URL, "moqt") + "/site?jwt=" + token
	}
	mux := api.NewTrackMux()
	if err := mux.PublishFunc(ctx, "cam", ticks); err != nil {
		t.Fatal(err)
	}
	clients := map[way]*impl.Client{}
	for _, w := range ways() {
		clients[w] = clientOf(relay, w.version)
	}
	publisher := way{"moqt", api.Lite06} // and a client of its own: a client is told nothing of what it announces
	sessions := map[string]api.Session{"publisher": dialAs(t, clientOf(relay, publisher.version), url(publisher, before), mux)}
	seen := map[way]*atomic.Int64{}
	for _, w := range ways() {
		groups := new(atomic.Int64)
		s := dialAs(t, clients[w], url(w, before), api.NewTrackMux())
		sessions[w.String()], seen[w] = s, groups
		working.Go(func() { watch(ctx, t, s, groups) })
	}
	newcomers := func(token, want string, until time.Duration) (n int) {
		for end := time.Now().Add(until); time.Now().Before(end) || n < len(clients); {
			for w, client := range clients {
				if got := verdictOf(ctx, client, url(w, token)); got != want {
					t.Errorf("%v: a new session is %s, want %s", w, got, want)
				}
				n++
			}
		}
		return n
	}
	lasts := soakTime(t)
	in := newcomers(before, "admitted", lasts/3)
	after := replaceKey(t, dir, "k1")
	out := newcomers(before, "refused", lasts/3)
	in += newcomers(after, "admitted", lasts/3)
	for w, n := range seen {
		if least := int64(lasts/(100*time.Millisecond)) / 2; n.Load() < least {
			t.Errorf("%v: %d groups, want %d", w, n.Load(), least)
		}
	}
	for name, s := range sessions {
		if err := context.Cause(s.Context()); err != nil {
			t.Errorf("%s: the session has ended: %v", name, err)
		}
	}
	t.Logf("%d sessions were admitted and %d refused in %v", in, out, lasts)
}

// dialAs dials, and fails the test if that does.
func dialAs(t *testing.T, client *impl.Client, url string, mux *api.TrackMux) api.Session {
	t.Helper()
	s, err := client.Dial(t.Context(), url, mux)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// watch reads groups until ctx ends, each once and none left out.
func watch(ctx context.Context, t *testing.T, s api.Session, seen *atomic.Int64) {
	r, err := api.SubscribeWhenAnnounced(ctx, s, "cam", "video", nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Close()
	got := map[api.GroupSequence]bool{}
	for {
		g, err := r.AcceptGroup(ctx)
		if err != nil {
			if ctx.Err() == nil {
				t.Error(err)
			}
			break
		}
		for _, err := range api.Frames(ctx, g, new(api.Frame)) {
			if err != nil && ctx.Err() == nil {
				t.Errorf("group %d: %v", g.Sequence(), err)
			}
		}
		if got[g.Sequence()] {
			t.Errorf("group %d came twice", g.Sequence())
		}
		got[g.Sequence()] = true
		seen.Add(1)
	}
	for _, gap := range r.Gaps() {
		t.Errorf("groups %d to %d are missing: %v", gap.Start, gap.End, gap.Err)
	}
}
