package impl_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestRefusalOnABadLink: a client learns that it was refused though the network loses
// everything for the moment.
func TestRefusalOnABadLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Link = &moqtest.Link{Delay: 5 * time.Millisecond}
		server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
			server.Link.SetLoss(1)
			time.AfterFunc(300*time.Millisecond, func() { server.Link.SetLoss(0) })
			return api.Grant{}, api.ErrUnauthorized
		}
		server.Start()
		defer server.Close()
		s, err := server.Client().Dial(t.Context(), server.WebTransportURL(), api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		<-s.Context().Done()
		if err := context.Cause(s.Context()); !errors.Is(err, api.ErrUnauthorized) {
			t.Errorf("the session ends with %v", err)
		}
	})
}
