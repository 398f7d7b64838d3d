package impl_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestEndIsToldBeforeTheServer: Close and Shutdown return when the Ended of all grants have,
// which a program would else take with it that ends next; and they do not wait for one that
// hangs, Close for a second and Shutdown until its ctx ends, or Close is called.
func TestEndIsToldBeforeTheServer(t *testing.T) {
	const hangs = time.Hour
	for name, test := range map[string]struct {
		ended       time.Duration // takes an Ended
		end         func(server api.Server) error
		told        bool
		least, most time.Duration
	}{
		"close": {700 * time.Millisecond, api.Server.Close, true, 700 * time.Millisecond, 2 * time.Second},
		"close and an Ended that hangs": {
			hangs, api.Server.Close, false, time.Second, 3 * time.Second,
		},
		"shutdown": {5 * time.Second, func(s api.Server) error {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			return s.Shutdown(ctx)
		}, true, 5 * time.Second, 15 * time.Second},
		"shutdown and an Ended that hangs": {hangs, func(s api.Server) error {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			return s.Shutdown(ctx)
		}, false, 20 * time.Second, 21 * time.Second},
		"close during a shutdown": {hangs, func(s api.Server) error {
			time.AfterFunc(10*time.Second, func() { _ = s.Close() })
			return s.Shutdown(context.Background())
		}, false, 10 * time.Second, 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
				var told atomic.Int32
				server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
					g := api.GrantAll()
					g.Ended = func(api.SessionEnd) {
						time.Sleep(test.ended)
						told.Add(1)
					}
					return g, nil
				}
				sessions := make(chan api.Session, 3)
				server.Config.Handler = func(s api.Session) { sessions <- s }
				url := start()
				for range 3 {
					if _, err := server.Client().Dial(t.Context(), url, nil); err != nil {
						t.Fatal(err)
					}
					<-sessions
				}
				began := time.Now()
				if err := test.end(server.Config); err != nil {
					t.Error(err)
				}
				if n := told.Load(); test.told != (n == 3) {
					t.Errorf("%d of 3 ends were told", n)
				}
				if took := time.Since(began); took < test.least || took > test.most {
					t.Errorf("it took %v", took)
				}
				time.Sleep(2 * hangs)
			})
		})
	}
}

// TestEndedClosesTheServer: an Ended may do that, which does not wait for it for ever.
func TestEndedClosesTheServer(t *testing.T) {
	overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
		closed := make(chan error, 1)
		server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
			g := api.GrantAll()
			g.Ended = func(api.SessionEnd) { closed <- server.Config.Close() }
			return g, nil
		}
		sessions := make(chan api.Session, 1)
		server.Config.Handler = func(s api.Session) { sessions <- s }
		url := start()
		s, err := server.Client().Dial(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		<-sessions
		_ = s.Terminate(api.SessionNoError, "")
		select {
		case err := <-closed:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Error("it waits for itself")
		}
	})
}
