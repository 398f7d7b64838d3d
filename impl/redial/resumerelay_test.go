package redial_test

import (
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestLogSurvivesRestartsOfTheRelay between its publisher and its reader, both of
// which connect again, with what the last relay held gone.
func TestLogSurvivesRestartsOfTheRelay(t *testing.T) {
	const frames = 150
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux := api.NewTrackMux()
		logTrack(t, mux, frames)
		relay := startRelay(0)
		defer relay.Close()
		publishers, readers := newNetwork(), newNetwork()
		publishers.hop = cameraHop
		publishers.add("1", relay, v)
		readers.add("1", relay, v)
		publisher := dial(t, publishers, address("1"), quick(), mux)
		defer publisher.Terminate(api.SessionNoError, "")
		reader := dial(t, readers, address("1"), quick(), nil)
		defer reader.Terminate(api.SessionNoError, "")
		r, err := api.SubscribeWhenAnnounced(t.Context(), reader, "room", "log", &api.SubscribeConfig{Resume: true})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for i := range 3 {
			next := startRelay(0)
			defer next.Close()
			before := relay
			time.AfterFunc(time.Duration(i+1)*3300*time.Millisecond, func() {
				publishers.add("1", next, v)
				readers.add("1", next, v)
				before.Sever()
			})
			relay = next
		}
		readLog(t, r, frames, false)
	})
}
