package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A dashboard follows the devices of a fleet, shows them, and has them obey.
type dashboard struct {
	session api.Session

	mu      sync.Mutex
	devices map[api.BroadcastPath]*row
}

// A row is what is known of a device.
type row struct {
	Online bool
	State  state
	Log    []string // the newest 100 records
}

// run follows the devices until ctx is done or the session has failed for good.
func (d *dashboard) run(ctx context.Context) error {
	return api.EachBroadcast(ctx, d.session, prefix, func(online context.Context, a api.Announcement) {
		d.follow(ctx, online, a.Path)
	})
}

// follow shows a device. It reads until a moment after the device is gone: what
// that wrote last may come after the news.
func (d *dashboard) follow(ctx, online context.Context, path api.BroadcastPath) {
	r := &row{Online: true}
	d.update(func() { d.devices[path] = r })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	parts.Go(func() { warn(path, d.readStates(ctx, path, r)) })
	parts.Go(func() { warn(path, d.readLog(ctx, path, r)) })
	parts.Go(func() {
		<-online.Done()
		d.update(func() { r.Online = false })
		time.AfterFunc(time.Second, cancel)
	})
	parts.Wait()
}

// readStates keeps the newest state.
func (d *dashboard) readStates(ctx context.Context, path api.BroadcastPath, r *row) error {
	track, err := d.session.Subscribe(ctx, path, stateTrack, &api.SubscribeConfig{StartGroup: api.GroupLatest})
	if err != nil {
		return err
	}
	defer track.Close()
	for frame, err := range api.FramesOf(ctx, api.Newest(ctx, track)) {
		if err == nil {
			d.update(func() { err = json.Unmarshal(frame.Payload, &r.State) })
		}
		warn(path, err)
	}
	return nil
}

// readLog keeps the newest records. It reads all that the device holds, goes on
// where a session was lost, and asks for those that do not come.
func (d *dashboard) readLog(ctx context.Context, path api.BroadcastPath, r *row) error {
	track, err := d.session.Subscribe(ctx, path, logTrack, &api.SubscribeConfig{Resume: true})
	if err != nil {
		return err
	}
	defer track.Close()
	missing := func(ctx context.Context, seq api.GroupSequence) (api.GroupReader, error) {
		return d.session.Fetch(ctx, api.FetchRequest{Path: path, Name: logTrack, Group: seq})
	}
	for frame, err := range api.FramesOf(ctx, api.Ordered(ctx, track, &api.OrderedConfig{Fetch: missing})) {
		if err != nil {
			warn(path, err)
			continue
		}
		when := track.Info().Time(frame.Timestamp).Format(time.DateTime)
		d.update(func() { r.Log = append(r.Log[max(0, len(r.Log)-99):], when+" "+string(frame.Payload)) })
	}
	return nil
}

// warn logs a gap or a restart, after which a track goes on, or why it does not.
func warn(path api.BroadcastPath, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		slog.Warn("device", "path", path, "error", err)
	}
}

// update changes what is shown.
func (d *dashboard) update(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// ServeHTTP shows all devices, or has the one in the path do something.
func (d *dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		reply, err := d.command(r.Context(), prefix+api.BroadcastPath(r.URL.Path), r.FormValue("do"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, reply)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = json.NewEncoder(w).Encode(d.devices)
}

// command has a device do something, once, and returns its reply.
func (d *dashboard) command(ctx context.Context, path api.BroadcastPath, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request := api.TrackName(doPrefix + rand.Text() + "/" + command)
	track, err := d.session.Subscribe(ctx, path, request, nil)
	if err != nil {
		return "", err
	}
	defer track.Close()
	for frame, err := range api.FramesOf(ctx, api.Groups(ctx, track)) {
		if err != nil {
			return "", err
		}
		return string(frame.Payload), nil
	}
	return "", errors.New("no reply")
}
