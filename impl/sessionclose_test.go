package impl_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
)

// TestSessionClose closes a session, and a lasting one, without an error for
// either end.
func TestSessionClose(t *testing.T) {
	for _, lasting := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := moqtest.NewServer(api.NewTrackMux())
			defer server.Close()
			var dialer api.Dialer = server.Client()
			if lasting {
				dialer = redial.New(dialer, redial.Policy{})
			}
			session, err := dialer.Dial(t.Context(), server.URL, api.NewTrackMux())
			if err != nil {
				t.Fatal(err)
			}
			if err := session.Close(); err != nil {
				t.Error(err)
			}
			ended, ok := errors.AsType[*api.SessionError](context.Cause(session.Context()))
			if !ok || ended.Code != api.SessionNoError || ended.Remote {
				t.Errorf("the session has ended with %v", context.Cause(session.Context()))
			}
		})
	}
}
