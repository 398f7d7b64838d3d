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

// TestNoReportsBeforeAdmission: a client gets no answer before it is admitted, nor reports
// of the bitrate.
func TestNoReportsBeforeAdmission(t *testing.T) {
	for _, v := range []api.Version{api.Lite03, api.Lite04} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := moqtest.NewUnstartedServer(api.NewTrackMux())
				server.Link = new(moqtest.Link)
				admit := make(chan struct{})
				server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
					<-admit
					return api.Grant{}, api.ErrUnauthorized
				}
				server.Start()
				defer server.Close()
				c := server.Client()
				c.Config = &api.Config{Versions: []api.Version{v}}
				s, err := c.Dial(t.Context(), server.WebTransportURL(), api.NewTrackMux())
				if err != nil {
					t.Fatal(err)
				}
				reports, err := s.Probe(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				b, err := reports.Receive(ctx)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a client that nobody has admitted got %v, %v", b, err)
				}
				close(admit)
			})
		})
	}
}
