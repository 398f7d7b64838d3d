package impl_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestEveryRefusalIsCounted once, and logged, whatever has refused: the origin, the
// version over each transport, a limit, or Admit.
func TestEveryRefusalIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newRecorder(slog.LevelInfo)
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Link = &moqtest.Link{Delay: time.Millisecond}
		server.Config.Origins, server.Config.Logger = []string{"https://ours.example"}, slog.New(log)
		server.Config.Config = &api.Config{Versions: []api.Version{api.Lite06}}
		server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
			if r.Token != "" {
				return api.Grant{}, api.ErrUnauthorized
			}
			return api.GrantAll(), nil
		}
		server.Start()
		defer server.Close()
		stream := strings.TrimPrefix(server.WebSocketURL(), "wss")
		refused := uint64(0)
		for _, url := range []string{server.WebTransportURL(), server.URL, "wss" + stream, "ws" + stream, "tls" + stream, "tcp" + stream} {
			web := strings.HasPrefix(url, "https") || strings.HasPrefix(url, "ws")
			for _, test := range []struct {
				why     string
				origin  string
				version api.Version
				query   string
				allowed bool
			}{
				{why: "its origin", origin: "https://theirs.example", version: api.Lite06, allowed: !web},
				{why: "its version", version: api.Lite03},
				{why: "its token", version: api.Lite06, query: "/?jwt=x"},
				{why: "nothing", origin: "https://ours.example", version: api.Lite06, allowed: true},
			} {
				client := server.Client()
				client.Config = &api.Config{Versions: []api.Version{test.version}, WaitForSetup: true}
				if test.origin != "" {
					client.Header = http.Header{"Origin": {test.origin}}
				}
				s, err := client.Dial(t.Context(), url+test.query, api.NewTrackMux())
				if (err == nil) != test.allowed {
					t.Errorf("%s, for %s: %v", url, test.why, err)
				}
				if err == nil {
					_ = s.Terminate(api.SessionNoError, "")
				} else {
					refused++
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				lines := log.only("session refused")
				if stats := server.Config.Stats(); stats.Refused != refused || len(lines) != int(refused) {
					t.Errorf("%s, for %s: %d are counted and %d logged, want %d", url, test.why, stats.Refused, len(lines), refused)
					refused = stats.Refused
				}
			}
		}
		for _, line := range log.only("session refused") {
			for _, key := range []string{"session", "remote", "error"} {
				if line.attrs[key] == "" {
					t.Errorf("without %s: %v", key, line)
				}
			}
		}
	})
}
