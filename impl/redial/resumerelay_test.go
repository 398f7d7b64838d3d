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

// TestLogSurvivesALatePublisher, which comes back to a restarted relay some seconds after
// its reader, at whatever moment: while the reader waits for the announcement, or just when
// it has ceased to, and asks without knowing whose the broadcast is.
func TestLogSurvivesALatePublisher(t *testing.T) {
	const frames, delay = 100, 100 * time.Millisecond
	for late := 4500 * time.Millisecond; late <= 6*time.Second; late += 50 * time.Millisecond {
		t.Run(late.String(), func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				mux := api.NewTrackMux()
				logTrack(t, mux, frames)
				publisher := camera{mux: mux}
				relay, next := startRelay(delay), startRelay(delay)
				defer relay.Close()
				defer next.Close()
				publisher.connect(t, relay, v)
				network, reader := viewer(t, relay, v, quick())
				defer reader.Terminate(api.SessionNoError, "")
				r, err := api.SubscribeWhenAnnounced(t.Context(), reader, "room", "log", &api.SubscribeConfig{Resume: true})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				time.AfterFunc(2*time.Second, func() {
					network.add("1", next, v)
					relay.Sever()
				})
				time.AfterFunc(2*time.Second+late, func() { publisher.connect(t, next, v) })
				readLog(t, r, frames, false)
			})
		})
	}
}
