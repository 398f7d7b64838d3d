package impl_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
)

// TestEndToldWithoutRoom: two requests over WebSocket are granted while there is room for
// one session from their address. Who has granted the other is told that it has ended.
func TestEndToldWithoutRoom(t *testing.T) {
	theirs, _ := certificate(t)
	ends := make(chan api.SessionEnd, 100)
	var asked sync.WaitGroup
	asked.Add(2)
	addr := serve(t, &impl.Server{
		TLSConfig: theirs, Mux: api.NewTrackMux(), Limits: api.Limits{SessionsPerAddress: 1},
		Admit: func(context.Context, api.AdmitRequest) (api.Grant, error) {
			asked.Done()
			asked.Wait()
			g := api.GrantAll()
			g.Ended = func(e api.SessionEnd) { ends <- e }
			return g, nil
		},
	})
	c := client(t, new(impl.Client))
	for range 2 {
		go func() { _, _ = c.Dial(t.Context(), "ws://"+addr, api.NewTrackMux()) }()
	}
	select {
	case e := <-ends:
		if e.Reason != "too many sessions from this address" {
			t.Errorf("told of %+v", e)
		}
	case <-time.After(5 * time.Second):
		t.Error("nothing was told")
	}
}

// TestEndToldOnce: a request over WebSocket ends while it is admitted. Either it becomes a
// session, or its grant is told that there is none.
func TestEndToldOnce(t *testing.T) {
	ends := make(chan api.SessionEnd, 100)
	type key struct{}
	server := &impl.Server{
		Mux: api.NewTrackMux(),
		Admit: func(ctx context.Context, _ api.AdmitRequest) (api.Grant, error) {
			g := api.GrantAll()
			g.Ended = func(e api.SessionEnd) { ends <- e }
			ctx.Value(key{}).(context.CancelFunc)()
			return g, nil
		},
	}
	defer server.Close()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context()) // as one that bounds a request's time
		defer cancel()
		server.ServeHTTP(w, r.WithContext(context.WithValue(ctx, key{}, cancel)))
	}))
	defer web.Close()
	c := client(t, new(impl.Client))
	for range 10 {
		s, err := c.Dial(t.Context(), "ws"+strings.TrimPrefix(web.URL, "http"), api.NewTrackMux())
		if err == nil {
			time.Sleep(20 * time.Millisecond)
			_ = s.Terminate(api.SessionNoError, "")
		}
	}
	time.Sleep(100 * time.Millisecond)
	if n := len(ends); n != 10 {
		t.Errorf("%d ends were told of 10 grants", n)
	}
}
