package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

type state struct{ Degrees, Target float64 }

// A device is a heater: it publishes its state and its log, and obeys.
type device struct {
	broadcast   live.Broadcast
	states, log *live.Track

	mu    sync.Mutex
	state state
}

func newDevice() *device {
	d := &device{state: state{Degrees: 15, Target: 20}}
	d.broadcast.OnTrack = d.onTrack
	d.states = d.broadcast.Track(stateTrack, api.TrackInfo{})
	d.log = d.broadcast.Track(logTrack, api.TrackInfo{MaxLatency: 24 * time.Hour}) // so it is held, up to 16 MiB
	return d
}

// run publishes until ctx is done or the session has failed for good.
func (d *device) run(ctx context.Context, session api.Session, mux *api.TrackMux, name string) error {
	// The publication outlives ctx, so that the last record is read.
	if err := mux.Publish(context.WithoutCancel(ctx), api.BroadcastPath(prefix+name), &d.broadcast); err != nil {
		return err
	}
	defer d.broadcast.Close()
	publish(d.log, "started")
	for {
		d.mu.Lock()
		d.state.Degrees += (d.state.Target - d.state.Degrees) / 10
		payload, _ := json.Marshal(d.state)
		d.mu.Unlock()
		publish(d.states, string(payload))
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			publish(d.log, "stopped")
			return nil
		case <-session.Context().Done():
			return context.Cause(session.Context())
		}
	}
}

// publish writes a group of one frame. A live track never waits.
func publish(track *live.Track, text string) {
	frame := api.Frame{Timestamp: track.Info().Timestamp(time.Now()), Payload: []byte(text)}
	_ = api.WriteGroup(context.Background(), track, frame) // fails once the broadcast is closed
}

// onTrack has a command done, and returns the track of its reply. Whoever asks
// for the same track within a minute gets the same reply.
func (d *device) onTrack(req api.TrackRequest) (*live.Track, error) {
	request, is := strings.CutPrefix(string(req.Name), doPrefix)
	if !is {
		return nil, nil // there is no such track
	}
	_, command, _ := strings.Cut(request, "/")
	reply := live.NewTrack(api.TrackInfo{}, live.Limits{})
	time.AfterFunc(time.Minute, reply.Retire)
	publish(reply, d.obey(command))
	_ = reply.Close()
	return reply, nil
}

// obey does what a command says, and returns the reply.
func (d *device) obey(command string) string {
	var target float64
	if _, err := fmt.Sscanf(command, "heat %g", &target); err != nil || !(0 <= target && target <= 100) {
		return "I can heat DEGREES, from 0 to 100, and nothing else"
	}
	d.mu.Lock()
	d.state.Target = target
	d.mu.Unlock()
	publish(d.log, command)
	return fmt.Sprintf("heating to %g degrees", target)
}
