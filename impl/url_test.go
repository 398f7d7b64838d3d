package impl_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestServersKnowAURL asks what Authorize and a handler are told of the URL, by
// clients that have dialled none but the host: it is there, whatever it lacks.
func TestServersKnowAURL(t *testing.T) {
	for _, scheme := range []string{"memory", "moqt", "https", "wss", "tls"} {
		for _, v := range api.Versions() {
			t.Run(scheme+"/"+string(v), func(t *testing.T) {
				told := make(chan *url.URL, 2)
				server := moqtest.NewUnstartedServer(api.NewTrackMux())
				server.Config.Authorize = func(_ context.Context, s api.SessionState) (*api.TrackMux, error) {
					told <- s.URL
					return nil, nil
				}
				server.Config.Handler = func(s api.Session) { told <- s.State().URL }
				if scheme == "memory" {
					server.Start()
				} else {
					server.StartSockets()
				}
				defer server.Close()
				u, err := url.Parse(server.URL)
				if err != nil {
					t.Fatal(err)
				}
				if scheme != "memory" {
					u.Scheme = scheme
				}
				c := server.Client()
				c.Config = &api.Config{Versions: []api.Version{v}}
				if _, err := c.Dial(t.Context(), u.String(), nil); err != nil {
					t.Fatal(err)
				}
				for _, whom := range []string{"one of Authorize and the handler", "the other"} {
					select {
					case u := <-told:
						if u == nil || u.Host == "" {
							t.Errorf("%s was told the URL %v", whom, u)
						}
					case <-time.After(10 * time.Second):
						t.Fatalf("%s was not called", whom)
					}
				}
			})
		}
	}
}
