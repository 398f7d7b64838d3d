package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/auth"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
)

// A backend is the server that a relay asks, and may be down.
type backend struct {
	http.Handler
	down  atomic.Bool
	asked atomic.Int32 // how often while it was down
}

func (b *backend) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.down.Load() {
		b.asked.Add(1)
		return nil, errors.New("connection refused")
	}
	answer := httptest.NewRecorder()
	b.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// A lasting is a client that dials again whenever its session is lost.
type lasting struct {
	session   api.Session
	connected atomic.Int32 // how often
}

// dialLasting dials the relay in memory with a token.
func dialLasting(t *testing.T, relay *moqtest.Server, token string, v api.Version, mux *api.TrackMux) *lasting {
	t.Helper()
	l := new(lasting)
	s, err := impl.NewRedialer(clientOf(relay, v), redial.Policy{
		Trace: &redial.SessionTrace{Connected: func(api.SessionState) { l.connected.Add(1) }},
	}).Dial(t.Context(), "https"+strings.TrimPrefix(relay.URL, "moqt")+"/site?jwt="+token, mux)
	if err != nil {
		t.Fatal(err)
	}
	l.session = s
	return l
}

// ticks publishes a group each tenth of a second.
func ticks(w api.TrackWriter) {
	for {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: []byte("tick")})
		_ = g.Close()
		select {
		case <-time.After(100 * time.Millisecond):
		case <-w.Context().Done():
			return
		}
	}
}

// count reads groups until the track ends, and counts them.
func (l *lasting) count(ctx context.Context, n *atomic.Int32) error {
	r, err := api.SubscribeWhenAnnounced(ctx, l.session, "cam", "video", nil)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		g, err := r.AcceptGroup(ctx)
		switch {
		case errors.Is(err, api.ErrRestarted):
			continue
		case err != nil:
			return err
		}
		for _, err := range api.Frames(ctx, g, new(api.Frame)) {
			if err == nil {
				n.Add(1)
			}
		}
	}
}

// TestBackendDown: while the server that a relay asks is down for ten seconds, sessions go
// on, though they are asked about again; those that lose their connection then, and
// those that are new, are in when it is back.
func TestBackendDown(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { backendDown(t, v) }) })
	}
}

func backendDown(t *testing.T, v api.Version) {
	key, err := auth.NewKey("HS256", "k1")
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.Issue(auth.Claims{Root: "site", Publish: api.Patterns{"**"}, Subscribe: api.Patterns{"**"}})
	if err != nil {
		t.Fatal(err)
	}
	server := &backend{Handler: auth.Handler(&auth.Policy{Keys: auth.Set(key), Lifetime: time.Hour, RecheckEvery: time.Second})}
	relay := moqtest.NewUnstartedRelay()
	relay.Config.Admit = (&auth.Remote{URL: "https://tokens.example/"}).Through(server).Admit
	relay.Start()
	defer relay.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	mux := api.NewTrackMux()
	if err := mux.PublishFunc(ctx, "cam", ticks); err != nil {
		t.Fatal(err)
	}
	publisher := dialLasting(t, relay, token, v, mux)
	var seen [2]atomic.Int32
	ended := make(chan error, len(seen))
	watch := func(i int) *lasting {
		viewer := dialLasting(t, relay, token, v, api.NewTrackMux())
		go func() { ended <- viewer.count(ctx, &seen[i]) }()
		return viewer
	}
	first := watch(0)
	time.Sleep(5 * time.Second)

	server.down.Store(true)
	before := seen[0].Load()
	time.Sleep(5 * time.Second)
	if got := seen[0].Load() - before; got < 45 || publisher.connected.Load() != 1 || first.connected.Load() != 1 {
		t.Errorf("while the server is down: %d groups, connected %d and %d times", got, publisher.connected.Load(), first.connected.Load())
	}
	if server.asked.Load() == 0 {
		t.Error("nobody has asked again")
	}
	newcomer := watch(1)
	relay.Sever()
	time.Sleep(5 * time.Second)
	if n := seen[1].Load(); n != 0 {
		t.Errorf("a new viewer has seen %d groups", n)
	}

	server.down.Store(false)
	time.Sleep(time.Minute)
	for i, l := range []*lasting{first, newcomer} {
		before := seen[i].Load()
		time.Sleep(5 * time.Second)
		if got := seen[i].Load() - before; got < 45 {
			t.Errorf("viewer %d: %d groups in five seconds", i, got)
		}
		if err := context.Cause(l.session.Context()); err != nil {
			t.Errorf("viewer %d ended with %v", i, err)
		}
	}
	if err := context.Cause(publisher.session.Context()); err != nil {
		t.Errorf("the publisher ended with %v", err)
	}
	cancel()
	for range seen {
		<-ended
	}
	for _, l := range []*lasting{publisher, first, newcomer} {
		_ = l.session.Terminate(api.SessionNoError, "")
	}
	synctest.Wait()
}
