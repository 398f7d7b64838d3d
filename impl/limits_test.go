package impl_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestLimitsOfASession: a server refuses limits that would have no effect.
func TestLimitsOfASession(t *testing.T) {
	server := &impl.Server{Addr: "127.0.0.1:0", Limits: api.Limits{UnreadGroups: 10}}
	defer server.Close()
	if _, err := server.Listen(); err == nil || !strings.Contains(err.Error(), "Config.Limits") {
		t.Errorf("listen: %v", err)
	}
}

// TestServerLimits has a server subscribe to what its clients publish, and read
// nothing. One client sends more than all may hold together: its session loses
// groups, and those of the others do not.
func TestServerLimits(t *testing.T) {
	const clients, size, few, many = 5, 100_000, 2, 60
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dropped := make(map[api.BroadcastPath]func() uint64)
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Config.Limits = api.Limits{UnreadBytes: 2 << 20}
		server.Config.Handler = func(s api.Session) {
			r, err := s.Announcements(t.Context(), "")
			if err != nil {
				t.Error(err)
				return
			}
			for a, err := range api.Announcements(t.Context(), r) {
				if err != nil {
					return
				}
				if a.Status != api.AnnouncementActive {
					continue
				}
				if _, err := s.Subscribe(t.Context(), a.Path, "video", nil); err != nil {
					t.Error(err)
				}
				mu.Lock()
				dropped[a.Path] = func() uint64 { return s.Stats().GroupsDropped }
				mu.Unlock()
			}
		}
		server.Start()
		defer server.Close()
		for i := range clients {
			groups := few
			if i == 0 {
				groups = many
			}
			mux := api.NewTrackMux()
			if err := mux.PublishFunc(t.Context(), api.BroadcastPath(fmt.Sprint(i)), func(w api.TrackWriter) {
				for range groups {
					writeGroup(w, size)
				}
				<-w.Context().Done()
			}); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Client().Dial(context.Background(), server.URL, mux); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(dropped) != clients {
			t.Fatalf("%d clients were heard", len(dropped))
		}
		for path, count := range dropped {
			if n := count(); (path == "0") != (n > 0) {
				t.Errorf("client %s has lost %d groups", path, n)
			}
		}
	})
}

// writeGroup writes a group of one frame.
func writeGroup(w api.TrackWriter, size int) {
	g, err := w.OpenGroup(w.Context())
	if err != nil {
		return
	}
	_ = g.WriteFrame(api.Frame{Payload: make([]byte, size)})
	_ = g.Close()
}
