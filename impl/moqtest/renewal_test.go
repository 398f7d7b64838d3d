package moqtest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// A development server that has run for weeks accepts new clients, and those
// that it has had from the start.
func TestServerOfManyWeeks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Link = &moqtest.Link{}
		server.Start()
		defer server.Close()
		old := server.Client()
		const day = 24 * time.Hour
		for _, d := range []time.Duration{0, 11*day + time.Hour, day, day, 13 * day, 300 * day} {
			time.Sleep(d)
			for name, c := range map[string]*impl.Client{"new": server.Client(), "old": old} {
				for _, url := range []string{server.URL, server.WebTransportURL(), server.WebSocketURL()} {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					s, err := c.Dial(ctx, url, nil)
					cancel()
					if err != nil {
						t.Errorf("after %v more, %s client to %s: %v", d, name, url, err)
						continue
					}
					_ = s.Terminate(api.SessionNoError, "")
				}
				if name == "new" {
					_ = c.Close()
				}
			}
		}
	})
}
