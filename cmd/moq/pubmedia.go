package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/live"
)

// isMedia tells whether a broadcast is one of media.
func (f pubFlags) isMedia(path api.BroadcastPath) bool {
	return f.format != "" || strings.HasSuffix(string(path), ".hang") || strings.HasSuffix(string(path), ".msf")
}

// publishMedia publishes a source of packets until it ends and all subscribers
// have it, or ctx ends.
func publishMedia(ctx context.Context, o *options, flags pubFlags, url string, path api.BroadcastPath) error {
	if err := checkPath(path); err != nil {
		return err
	}
	container, err := flags.validateMedia(o)
	if err != nil {
		return err
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.Close()
	b := &watchedBroadcast{first: make(chan struct{})}
	source, err := flags.openMedia(ctx, o, b.first)
	if err != nil {
		return err
	}
	defer source.close()
	ingestion, err := ingest.Open(&b.Broadcast, source, &ingest.Config{Container: container, Loop: flags.loop, MSF: strings.HasSuffix(string(path), ".msf"), Logger: o.logger()})
	if err != nil {
		return err
	}
	mux := api.NewTrackMux()
	life, withdraw := context.WithCancel(context.Background())
	defer withdraw()
	if err := mux.Publish(life, path, b); err != nil {
		return usageError{err} // of the path
	}
	session, err := o.dialLasting(ctx, client, url, mux)
	if err != nil {
		return err
	}
	if err := o.tellMedia(source, path, session.State()); err != nil {
		return err
	}
	bar := o.startProgress(func() string {
		return fmt.Sprintf("%s: %s, %s", path, count(int64(b.subscribers()), "subscription"), source.text())
	})
	err = runWith(ctx, session, ingestion)
	if err == nil && flags.keep {
		err = stay(ctx, session)
	}
	_ = b.Close()
	// What came before an error of the source is delivered too.
	if drained := awaitDelivery(client); err == nil {
		err = drained
	}
	bar.stopReports()
	if err == nil && o.json {
		err = line(o.out, map[string]any{"done": true, "packets": source.packets.Load(), "seconds": seconds(source.position())})
	}
	return err
}

// validateMedia refuses flags that make no sense for media, and returns the
// container.
func (f pubFlags) validateMedia(o *options) (media.ContainerKind, error) {
	switch {
	case f.reader() == nil:
		return 0, usage("--format %s: it must be fmp4, ts or h264", f.format)
	case f.source == "pattern":
		return 0, usage("--source pattern is no media: a PATH that does not end in .hang or .msf takes it")
	case f.source == "-" && f.loop:
		return 0, usage("--loop is for a file: --source - cannot begin again")
	case f.source == "-" && o.bearer.isInput():
		return 0, usage("--token - and --source - would both read standard input")
	case f.chunk != 0 || f.interval != 0 || f.groups != 0:
		return 0, usage("--chunk, --interval and --groups are for bytes and the pattern: the timestamps of media say what is sent when")
	}
	for _, kind := range []media.ContainerKind{media.Legacy, media.CMAF, media.LOC} {
		if f.as == kind.String() {
			return kind, nil
		}
	}
	return 0, usage("--container %s: it must be legacy, cmaf or loc", f.as)
}

// A watchedBroadcast is a broadcast that tells of its first subscription.
type watchedBroadcast struct {
	live.Broadcast
	once  sync.Once
	first chan struct{} // closed at the first subscription

	mu     sync.Mutex
	active int
}

// ServeTrack implements api.TrackHandler.
func (b *watchedBroadcast) ServeTrack(w api.TrackWriter) {
	b.once.Do(func() { close(b.first) })
	b.count(1)
	defer b.count(-1)
	b.Broadcast.ServeTrack(w)
}

func (b *watchedBroadcast) count(change int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.active += change
}

func (b *watchedBroadcast) subscribers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.active
}

// runWith publishes until the source ends, the session does, or ctx, which is no
// error.
func runWith(ctx context.Context, session api.Session, ingestion *ingest.Ingestion) error {
	both, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(session.Context(), func() { cancel(context.Cause(session.Context())) })
	defer stop()
	err := ingestion.Run(both)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// stay waits for Ctrl-C, or the end of the session.
func stay(ctx context.Context, session api.Session) error {
	select {
	case <-ctx.Done():
		return nil
	case <-session.Context().Done():
		return context.Cause(session.Context())
	}
}

// tellMedia says what is published, and what of the source is not.
func (o *options) tellMedia(source *mediaSource, path api.BroadcastPath, state api.SessionState) error {
	for _, ignored := range source.ignored() {
		fmt.Fprintf(o.err, "left out: %v\n", ignored)
	}
	if o.json {
		return line(o.out, map[string]any{"publishing": path, "tracks": trackTexts(source.Tracks()), "version": state.Version, "transport": state.Transport})
	}
	fmt.Fprintf(o.err, "publishing %s: %s\n", path, strings.Join(trackTexts(source.Tracks()), ", "))
	return nil
}

// trackTexts describes tracks for people.
func trackTexts(tracks []media.Track) (texts []string) {
	for _, t := range tracks {
		if v := t.Video; v != nil {
			texts = append(texts, fmt.Sprintf("video %s %dx%d", v.Codec, v.CodedSize.Width, v.CodedSize.Height))
		} else {
			texts = append(texts, fmt.Sprintf("audio %s %d Hz, %s", t.Audio.Codec, t.Audio.SampleRate, count(int64(t.Audio.Channels), "channel")))
		}
	}
	return texts
}
