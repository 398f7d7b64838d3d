// Package recorder is an application: it records a track of every broadcast
// that a relay announces, and comes back when it loses the relay. It knows the
// interfaces of package api and nothing of how they are implemented.
package recorder

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A Sink takes what is recorded. It is called from one goroutine a broadcast.
type Sink interface {
	Frame(path api.BroadcastPath, group api.GroupSequence, f api.Frame)
	Lost(path api.BroadcastPath, group api.GroupSequence, err error)
}

// A Recorder records.
type Recorder struct {
	client api.Client
	sink   Sink
	url    string
	track  api.TrackName
}

// New returns a recorder of a track of all broadcasts at url.
func New(client api.Client, sink Sink, url string, track api.TrackName) *Recorder {
	return &Recorder{client: client, sink: sink, url: url, track: track}
}

// The pause before the next dial grows from the first to the last of these.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// Run records until ctx ends or the relay cannot be had at all. A lost session
// is dialled again.
func (r *Recorder) Run(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		session, err := r.client.Dial(ctx, r.url, api.NewTrackMux())
		if err == nil {
			pause = firstPause
			err = r.follow(session)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if permanent(err) {
			return fmt.Errorf("recorder: %w", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// permanent tells whether dialling again is of no use.
func permanent(err error) bool {
	for _, state := range []error{
		api.ErrUnauthorized, api.ErrUnsupportedVersion, api.ErrUnsupportedScheme, api.ErrClientClosed,
	} {
		if errors.Is(err, state) {
			return true
		}
	}
	failed, ok := errors.AsType[*api.DialError](err)
	return ok && failed.Phase == api.PhaseTLS
}

// follow records what a session announces, until the session ends.
func (r *Recorder) follow(session api.Session) error {
	ctx := session.Context()
	announced, err := session.Announcements(ctx, "")
	if err != nil {
		return err
	}
	defer announced.Close()
	var recording sync.WaitGroup
	defer recording.Wait()
	stop := make(map[api.BroadcastPath]context.CancelFunc)
	defer func() {
		for _, cancel := range stop {
			cancel()
		}
	}()
	for a, err := range api.Announcements(ctx, announced) {
		switch {
		case err != nil:
			return err
		case a.Status == api.AnnouncementActive:
			live, cancel := context.WithCancel(ctx)
			stop[a.Path] = cancel
			recording.Go(func() { r.record(live, session, a.Path) })
		case a.Status == api.AnnouncementEnded:
			if cancel := stop[a.Path]; cancel != nil {
				cancel()
				delete(stop, a.Path)
			}
		}
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// record records one broadcast until its track or ctx ends.
func (r *Recorder) record(ctx context.Context, session api.Subscriber, path api.BroadcastPath) {
	track, err := session.Subscribe(ctx, path, r.track, &api.SubscribeConfig{StartGroup: api.GroupLatest})
	if err != nil {
		return // gone again, or without such a track
	}
	defer track.Close()
	var frame api.Frame
	for group, err := range api.Groups(ctx, track) {
		if err != nil {
			return
		}
		for f, err := range api.Frames(ctx, group, &frame) {
			if err != nil {
				r.sink.Lost(path, group.Sequence(), err)
				break
			}
			r.sink.Frame(path, group.Sequence(), *f)
		}
	}
}

// Stop ends the recorder's sessions in order if that takes no longer than ctx,
// and at once if it does.
func (r *Recorder) Stop(ctx context.Context) error {
	if err := r.client.Shutdown(ctx); err != nil {
		return errors.Join(err, r.client.Close())
	}
	return nil
}
