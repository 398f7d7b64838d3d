package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"

	"example.com/consumer/cmd/internal/testrelay"
)

// A world has a relay in memory.
type world struct {
	*testing.T
	relay *testrelay.Relay
}

// inWorld runs a test in a bubble, where time costs nothing.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(&world{t, testrelay.New(t)}) })
}

// startDevice starts a device. stop ends it in order.
func (w *world) startDevice(name string) (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, w.relay.Client(), testrelay.URL, name, "") }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("device %s: %v", name, err)
		}
	}
}

// startDashboard starts a dashboard.
func (w *world) startDashboard() (board *dashboard, stop func()) {
	session, err := impl.NewRedialer(w.relay.Client(), redial.Policy{}).Dial(w.Context(), testrelay.URL, api.NewTrackMux())
	if err != nil {
		w.Fatal(err)
	}
	board = &dashboard{session: session, devices: make(map[api.BroadcastPath]*row)}
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan error, 1)
	go func() { done <- board.run(ctx) }()
	return board, func() { cancel(); <-done }
}

// shown returns what a dashboard shows.
func (w *world) shown(board *dashboard) map[string]row {
	w.Helper()
	answer := httptest.NewRecorder()
	board.ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
	var rows map[string]row
	if err := json.Unmarshal(answer.Body.Bytes(), &rows); err != nil {
		w.Fatal(err)
	}
	return rows
}

// command sends a command as curl does.
func (w *world) command(board *dashboard, device, text string) string {
	form := strings.NewReader(url.Values{"do": {text}}.Encode())
	r := httptest.NewRequestWithContext(w.Context(), "POST", "/"+device, form)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	board.ServeHTTP(answer, r)
	return fmt.Sprint(answer.Code, " ", answer.Body)
}

// texts returns the records of a row without their times.
func (r row) texts() []string {
	var all []string
	for _, line := range r.Log {
		all = append(all, line[len(time.DateTime)+1:])
	}
	return all
}

func (w *world) expectLog(r row, want ...string) {
	w.Helper()
	if got := r.texts(); !slices.Equal(got, want) {
		w.Errorf("log %q, want %q", got, want)
	}
}

func TestDevicesComeAndGo(t *testing.T) {
	inWorld(t, func(w *world) {
		board, stopBoard := w.startDashboard()
		defer stopBoard()
		stopAnn, stopBob := w.startDevice("ann"), w.startDevice("bob")
		defer stopBob()
		time.Sleep(30 * time.Second)
		rows := w.shown(board)
		if len(rows) != 2 || !rows["fleet/ann"].Online || !rows["fleet/bob"].Online {
			t.Errorf("shown: %v", rows)
		}
		if s := rows["fleet/ann"].State; s.Degrees < 19.5 || s.Target != 20 {
			t.Errorf("after half a minute: %v", s)
		}

		stopAnn()
		time.Sleep(5 * time.Second)
		rows = w.shown(board)
		if rows["fleet/ann"].Online || !rows["fleet/bob"].Online {
			t.Errorf("shown without ann: %v", rows)
		}
		w.expectLog(rows["fleet/ann"], "started", "stopped") // the last record too

		stopAnn = w.startDevice("ann")
		defer stopAnn()
		time.Sleep(5 * time.Second)
		ann := w.shown(board)["fleet/ann"]
		if !ann.Online || ann.State.Degrees > 18 {
			t.Errorf("ann again: %v", ann)
		}
		w.expectLog(ann, "started")
	})
}

// TestLastRecord comes after the news that the device is gone, which finishes the
// group that it had begun.
func TestLastRecord(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx, withdraw := context.WithCancel(w.Context())
		mux := api.NewTrackMux()
		err := mux.Publish(ctx, "fleet/ann", api.Tracks{logTrack: api.TrackHandlerFunc(func(to api.TrackWriter) {
			group, err := to.OpenGroup(to.Context())
			if err != nil {
				return
			}
			time.Sleep(time.Second)
			withdraw()
			time.Sleep(500 * time.Millisecond)
			_ = group.WriteFrame(api.Frame{Payload: []byte("stopped")})
			_ = group.Close()
		})})
		if err != nil {
			w.Fatal(err)
		}
		server := moqtest.NewServer(mux) // the device itself
		session, err := server.Client().Dial(w.Context(), server.URL, api.NewTrackMux())
		if err != nil {
			w.Fatal(err)
		}
		board := &dashboard{session: session, devices: make(map[api.BroadcastPath]*row)}
		var running sync.WaitGroup
		running.Go(func() { _ = board.run(session.Context()) })
		defer running.Wait()
		defer server.Close()
		time.Sleep(5 * time.Second)
		ann := w.shown(board)["fleet/ann"]
		w.expectLog(ann, "stopped")
		if ann.Online {
			w.Error("ann is still online")
		}
	})
}

func TestCommand(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.startDevice("ann")()
		board, stopBoard := w.startDashboard()
		defer stopBoard()
		time.Sleep(time.Second)
		for _, test := range []struct{ device, text, want string }{
			{"ann", "heat 25", "200 heating to 25 degrees\n"},
			{"ann", "heat 25", "200 heating to 25 degrees\n"}, // another request
			{"ann", "dance", "200 I can heat DEGREES, from 0 to 100, and nothing else\n"},
			{"ann", "heat NaN", "200 I can heat DEGREES, from 0 to 100, and nothing else\n"},
		} {
			if got := w.command(board, test.device, test.text); got != test.want {
				t.Errorf("%s, %s: %q, want %q", test.device, test.text, got, test.want)
			}
		}
		if got := w.command(board, "eve", "heat 25"); !strings.HasPrefix(got, "502 ") {
			t.Errorf("a device that is not there: %q", got)
		}
		time.Sleep(2 * time.Second)
		ann := w.shown(board)["fleet/ann"]
		w.expectLog(ann, "started", "heat 25", "heat 25")
		if ann.State.Target != 25 {
			t.Errorf("target: %v", ann.State)
		}
	})
}

// TestRequestIsDoneOnce has a second dashboard subscribe to the same reply, as a
// session does that was cut in between.
func TestRequestIsDoneOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.startDevice("ann")()
		board, stopBoard := w.startDashboard()
		defer stopBoard()
		time.Sleep(time.Second)
		for range 2 {
			track, err := board.session.Subscribe(w.Context(), "fleet/ann", doPrefix+"1/heat 30", nil)
			if err != nil {
				t.Fatal(err)
			}
			for frame, err := range api.FramesOf(w.Context(), api.Groups(w.Context(), track)) {
				if err != nil || string(frame.Payload) != "heating to 30 degrees" {
					t.Errorf("reply: %s, %v", frame.Payload, err)
				}
			}
			_ = track.Close()
			time.Sleep(10 * time.Second) // the relay forgets the track
		}
		w.expectLog(w.shown(board)["fleet/ann"], "started", "heat 30")
	})
}

// TestRelayRestarts has no record lost and none shown twice.
func TestRelayRestarts(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.startDevice("ann")()
		board, stopBoard := w.startDashboard()
		defer stopBoard()
		want := []string{"started"}
		for i := range 5 {
			for j := range 3 {
				time.Sleep(2 * time.Second)
				text := fmt.Sprintf("heat %d%d", i+1, j)
				if got := w.command(board, "ann", text); !strings.HasPrefix(got, "200 ") {
					t.Errorf("%s: %s", text, got)
				}
				want = append(want, text)
			}
			w.relay.Stop()
			time.Sleep(time.Duration(i) * time.Second)
			w.relay.Start()
			time.Sleep(time.Minute) // until the longest pause between two dials is over
		}
		ann := w.shown(board)["fleet/ann"]
		w.expectLog(ann, want...)
		if !ann.Online || ann.State.Target != 52 {
			t.Errorf("shown: %v", ann)
		}
	})
}
