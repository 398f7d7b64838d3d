package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/record"
)

// demoMediaPath is the broadcast that the demo publishes of a file.
const demoMediaPath = "demo/camera.hang"

// demoMedia publishes a file through a relay of its own to a viewer, and prints
// what has come.
func demoMedia(ctx context.Context, o *options, scheme, name string, duration time.Duration) error {
	if err := checkDemoScheme(scheme); err != nil {
		return err
	}
	source, err := pubFlags{source: name}.openMedia(ctx, o, nil)
	if err != nil {
		return err
	}
	defer source.close()
	relay, err := o.embed()
	if err != nil {
		return err
	}
	defer relay.shutDown()
	// Two clients: one does not see what it has published itself.
	var clients [2]*impl.Client
	for i := range clients {
		if clients[i], err = relay.client(); err != nil {
			return err
		}
		defer clients[i].Close()
	}
	url := scheme + "://" + relay.addr
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if duration > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, duration, errDuration)
		defer stop()
	}

	mux := api.NewTrackMux()
	b := &watchedBroadcast{first: make(chan struct{})}
	source.begin = b.first // nothing is sent before the viewer is there
	ingestion, err := ingest.Open(&b.Broadcast, source, &ingest.Config{Logger: o.logger()})
	if err != nil {
		return err
	}
	if err := mux.Publish(ctx, demoMediaPath, b); err != nil {
		return err
	}
	publisher, err := clients[0].Dial(ctx, url, mux)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- runWith(ctx, publisher, ingestion) }()
	viewer, err := clients[1].Dial(ctx, url, api.NewTrackMux())
	if err != nil {
		return err
	}
	v := &demoViewer{o: o, state: viewer.State(), seen: make(map[int]*atomic.Int64)}
	if err = v.watch(ctx, viewer); err != nil {
		cancel() // the source may still wait for a viewer
	}
	if source := <-ended; err == nil {
		err = source
	}
	return v.report(err)
}

// A demoViewer counts what it sees of a broadcast.
type demoViewer struct {
	o      *options
	state  api.SessionState
	tracks []media.Track
	seen   map[int]*atomic.Int64 // packets, by track
	bytes  atomic.Int64
	length atomic.Int64 // of what was seen, in nanoseconds
	lost   int
}

// watch sees the broadcast to its end, or that of ctx.
func (v *demoViewer) watch(ctx context.Context, session api.Session) error {
	recording, err := record.Open(ctx, session, demoMediaPath, nil)
	if err != nil {
		return err
	}
	defer recording.Close()
	v.tracks = recording.Tracks()
	for _, t := range v.tracks {
		v.seen[t.ID] = new(atomic.Int64)
	}
	bar := v.o.progress(v.text)
	bar.start()
	defer bar.stopReports()
	var p media.Packet
	for {
		switch err := recording.ReadPacket(&p); {
		case errors.Is(err, io.EOF) || errors.Is(context.Cause(ctx), errDuration):
			v.lost = len(recording.Gaps())
			return nil
		case err != nil:
			return err
		}
		v.seen[p.Track].Add(1)
		v.bytes.Add(int64(len(p.Payload)))
		v.length.Store(max(v.length.Load(), int64(p.PTS+p.Duration)))
	}
}

// text is what was seen, for people.
func (v *demoViewer) text() string {
	var seen []string
	for i, text := range trackTexts(v.tracks) {
		seen = append(seen, fmt.Sprintf("%s of %s", count(v.seen[v.tracks[i].ID].Load(), "packet"), text))
	}
	return fmt.Sprintf("%s over %s: %v, %s: %s", v.state.Version, v.state.Transport,
		time.Duration(v.length.Load()).Round(time.Second), size(v.bytes.Load()), strings.Join(seen, ", "))
}

// report prints the result. What was lost is an error: nothing is lost on a
// machine by itself.
func (v *demoViewer) report(err error) error {
	if err != nil {
		return err
	}
	if v.o.json {
		packets := make(map[string]int64)
		for i, text := range trackTexts(v.tracks) {
			packets[text] = v.seen[v.tracks[i].ID].Load()
		}
		err = line(v.o.out, map[string]any{"version": v.state.Version, "transport": v.state.Transport, "packets": packets, "bytes": v.bytes.Load(), "seconds": seconds(time.Duration(v.length.Load())), "gaps": v.lost})
	} else {
		_, err = fmt.Fprintln(v.o.out, v.text())
	}
	if err == nil && v.lost > 0 {
		err = fmt.Errorf("%s were lost", count(int64(v.lost), "piece"))
	}
	return err
}
