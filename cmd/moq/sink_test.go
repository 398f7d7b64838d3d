package main

import (
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestPayloadsInJSON checks that objects have the payloads of frames, whatever
// they are, and none with --no-payload.
func TestPayloadsInJSON(t *testing.T) {
	transporttest.NoLeaks(t)
	payloads := []string{"a <b> & \"c\"\n", "\xff\x00", ""}
	write := func(w api.GroupWriter) {
		for _, p := range payloads {
			_ = w.WriteFrame(api.Frame{Payload: []byte(p)})
		}
		_ = w.Close()
	}
	mux := api.NewTrackMux()
	track := api.TrackFuncs{
		Fetch: func(w api.GroupWriter, _ api.FetchRequest) { write(w) },
		Serve: func(w api.TrackWriter) {
			if g, err := w.OpenGroupAt(w.Context(), 0); err == nil {
				write(g)
			}
		},
	}
	if err := mux.Publish(t.Context(), "room/x", track); err != nil {
		t.Fatal(err)
	}
	url := "http://" + startServer(t, &impl.Server{Mux: mux}).String()
	for _, args := range []string{"sub " + url + " room/x data", "fetch " + url + " room/x data 0"} {
		c := start(t, "", strings.Fields(args+" --json")...)
		c.wait(exitDone)
		lines := c.lines()
		if len(lines) != 3 || lines[0]["payload"] != payloads[0] || lines[1]["payload_base64"] != "/wA=" || lines[2]["payload"] != "" {
			t.Errorf("%s prints\n%s", args, c.out)
		}
		if _, both := lines[1]["payload"]; both || !strings.Contains(c.out.String(), "<b> &") {
			t.Errorf("%s prints\n%s", args, c.out)
		}
		c = start(t, "", strings.Fields(args+" --json --no-payload")...)
		c.wait(exitDone)
		if got := c.out.String(); strings.Contains(got, `"payload`) || strings.Count(got, "sha256") != 3 {
			t.Errorf("without payloads: %s", got)
		}
	}
}

// TestWaitingIsSaid checks that who waits for a broadcast is told so.
func TestWaitingIsSaid(t *testing.T) {
	transporttest.NoLeaks(t)
	mux := api.NewTrackMux()
	url := "http://" + startServer(t, &impl.Server{Mux: mux}).String()
	subscriber := start(t, "", "sub", url, "room/x", "data")
	fetcher := start(t, "", "fetch", url, "room/x", "data", "0")
	subscriber.err.await(t, "waiting for room/x\n")
	fetcher.err.await(t, "waiting for room/x\n")
	track := api.TrackFuncs{Serve: func(api.TrackWriter) {}, Fetch: func(w api.GroupWriter, _ api.FetchRequest) { _ = w.Close() }}
	if err := mux.Publish(t.Context(), "room/x", track); err != nil {
		t.Fatal(err)
	}
	subscriber.wait(exitDone)
	fetcher.wait(exitDone)
	again := start(t, "", "sub", url, "room/x", "data")
	again.wait(exitDone)
	if said := again.err.String(); !strings.Contains(said, "received 0 groups, 0 frames") {
		t.Errorf("it says %q", said)
	}
}

// TestInterruptedWait checks that Ctrl-C while a command waits is told in a word.
func TestInterruptedWait(t *testing.T) {
	transporttest.NoLeaks(t)
	url := "http://" + startServer(t, &impl.Server{Mux: api.NewTrackMux()}).String()
	c := start(t, "", "sub", url, "room/x", "data")
	c.err.await(t, "waiting for room/x\n")
	c.cancel()
	c.wait(exitFailed)
	if said := c.err.String(); said != "waiting for room/x\nmoq: interrupted\n" {
		t.Errorf("it says %q", said)
	}
}
