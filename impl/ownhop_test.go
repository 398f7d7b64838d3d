package impl_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestSessionsOfOneClient are told of each other's broadcasts by a relay if each
// has a hop of its own; else the relay counts what it leaves out.
func TestSessionsOfOneClient(t *testing.T) {
	for _, version := range api.Versions() {
		if version == api.Lite03 {
			continue // hops are only counted there: the sessions see each other
		}
		for _, apart := range []bool{false, true} {
			t.Run(string(version), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testSessionsOfOneClient(t, version, apart) })
			})
		}
	}
}

func testSessionsOfOneClient(t *testing.T, version api.Version, apart bool) {
	server := moqtest.NewUnstartedRelay()
	dropped := make(chan api.Session, 2)
	relaying := server.Config.Handler
	server.Config.Handler = func(s api.Session) {
		dropped <- s
		relaying(s)
	}
	server.Start()
	defer server.Close()
	client := server.Client()
	client.Config = &api.Config{Versions: []api.Version{version}, HopPerSession: apart}
	mux := api.NewTrackMux()
	if err := mux.PublishFunc(t.Context(), "room/mine", func(api.TrackWriter) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Dial(t.Context(), server.URL, mux); err != nil {
		t.Fatal(err)
	}
	<-dropped
	s, err := client.Dial(t.Context(), server.URL, api.NewTrackMux())
	if err != nil {
		t.Fatal(err)
	}
	within, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = api.WaitAnnounced(within, s, "room/mine")
	left := (<-dropped).Stats().AnnouncementsOwn + s.Stats().AnnouncementsOwn
	if apart && (err != nil || left != 0) {
		t.Errorf("with hops of their own: %v, %d left out", err, left)
	}
	if !apart && (err == nil || left == 0) {
		t.Errorf("with one hop: %v, %d left out", err, left)
	}
}
