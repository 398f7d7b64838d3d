package redial_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
)

// TestTurnedDownAgainAndAgain: once a session has stood, nobody can decide on admission any
// more. A dial that succeeds, and whose session is then closed, is one that has failed:
// MaxAttempts and MaxElapsed end the session as if it were, and without them the waits grow,
// also where each answer takes as long as it may.
func TestTurnedDownAgainAndAgain(t *testing.T) {
	for name, test := range map[string]struct {
		policy      redial.Policy
		slow        bool          // the decision takes until it is given up
		least, most int32         // attempts in ten minutes
		ends        time.Duration // after the loss, at most; 0: it does not end
	}{
		"so often":        {redial.Policy{MaxAttempts: 4}, false, 4, 4, time.Minute},
		"for so long":     {redial.Policy{MaxElapsed: time.Minute}, false, 4, 20, 61 * time.Second},
		"without a bound": {redial.Policy{}, false, 15, 45, 0},
		"slowly":          {redial.Policy{}, true, 10, 30, 0},
	} {
		t.Run(name, func(t *testing.T) {
			overLink(t, func(t *testing.T, server *moqtest.Server, start func() string) {
				var down atomic.Bool
				var asked atomic.Int32
				server.Config.Admit = func(ctx context.Context, _ api.AdmitRequest) (api.Grant, error) {
					if !down.Load() {
						return api.GrantAll(), nil
					}
					asked.Add(1)
					if test.slow {
						<-ctx.Done()
					}
					return api.Grant{}, errors.New("no connection to the backend")
				}
				current := make(chan api.Session, 1)
				server.Config.Handler = func(s api.Session) { current <- s }
				url := start()
				s, err := impl.NewRedialer(server.Client(), test.policy).Dial(t.Context(), url, api.NewTrackMux())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				down.Store(true)
				_ = (<-current).Terminate(api.SessionInternal, "a restart")
				began := time.Now()
				select {
				case <-s.Context().Done():
				case <-time.After(10 * time.Minute):
				}
				err = context.Cause(s.Context())
				took := time.Since(began)
				switch {
				case test.ends == 0 && err != nil:
					t.Errorf("after %v: %v", took, err)
				case test.ends > 0 && (took > test.ends || !errors.Is(err, api.ErrUnavailable)):
					t.Errorf("after %v: %v", took, err)
				}
				if n := asked.Load(); n < test.least || n > test.most {
					t.Errorf("%d attempts, want %d to %d", n, test.least, test.most)
				}
				_ = s.Terminate(api.SessionNoError, "")
			})
		})
	}
}
