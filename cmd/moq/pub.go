package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

const (
	// declaredMaxAge is how far behind a group may fall before it is given up.
	// It is long, because a file should arrive completely.
	declaredMaxAge = 60 * time.Second

	// maxGroup is the largest size of a published group in bytes, and
	// maxFrames the largest number of frames in one: browsers hold 1,024 of a
	// group, and other relays refuse groups of more than 8,192.
	maxGroup  = 1 << 20
	maxFrames = 999

	// drainTimeout is how long subscribers may take to read what was
	// published.
	drainTimeout = time.Minute
)

// pubFlags are the flags of pub. source decides which of the others count.
type pubFlags struct {
	track    string
	source   string
	chunk    int
	groups   uint64
	frames   uint64
	size     int
	interval time.Duration
	loop     bool
	keep     bool
	format   string // of media; "": what the source shows
	as       string // the container of media
}

// pubCommand returns the command that publishes one track.
func pubCommand(o *options) *cobra.Command {
	var flags pubFlags
	cmd := &cobra.Command{
		Use:   "pub URL PATH",
		Short: "Publish standard input, a file, or a test pattern",
		Long: `Publish a track of a broadcast to everyone who subscribes.

Each subscriber gets a file or the test pattern from the beginning. Standard
input is read once, from the first subscription on, and goes to all who are
subscribed at that time: each line is a frame, in a group of its own; with
--chunk, each frame has that many bytes, and groups have at most 1 MiB and 999
frames.

A PATH that ends in .hang or .msf is a broadcast of media, which players find by
its catalog: a file, or standard input, of fragmented MP4, MPEG-TS, H.264 or H.265,
at the pace of its timestamps. The pace of a file begins with the first subscription.

The command ends when all subscribers have received everything, or on Ctrl-C.
With --keep it stays for later ones until Ctrl-C; of standard input that has
ended, they get the last group. If the connection is lost, it reconnects.`,
		Example: `  moq pub http://127.0.0.1:4443 room/file --source video.mp4
  date | moq pub https://relay.example.com room/clock --track time --token token.txt
  moq pub http://127.0.0.1:4443 room/file --source video.mp4 --loop --interval 100ms
  ffmpeg -i camera … -f mpegts - | moq pub http://127.0.0.1:4443 room/cam.hang
  moq pub moqt://127.0.0.1:4443 room/test --source pattern --groups 100 --insecure`,
		Args: exactly(2, "pub takes a URL and a broadcast's path"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := api.BroadcastPath(args[1]).Clean()
			if flags.isMedia(path) {
				return publishMedia(cmd.Context(), o, flags, args[0], path)
			}
			return publish(cmd.Context(), o, flags, args[0], path)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.track, "track", "data", "the track's name")
	f.StringVar(&flags.source, "source", "-", "what to publish: - for standard input, a file, or pattern")
	f.IntVar(&flags.chunk, "chunk", 0, "bytes per frame of standard input or a file; 0: lines, or 65536 for a file")
	f.Uint64Var(&flags.groups, "groups", 0, "number of groups of the pattern; 0: until Ctrl-C")
	f.Uint64Var(&flags.frames, "frames", 2, "frames per group of the pattern")
	f.IntVar(&flags.size, "size", 100, "bytes per frame of the pattern")
	f.DurationVar(&flags.interval, "interval", 0, "the pause between two groups of a file or the pattern")
	f.BoolVar(&flags.loop, "loop", false, "begin a file again at its end, with the next group, until Ctrl-C")
	f.BoolVar(&flags.keep, "keep", false, "stay for later subscribers, until Ctrl-C")
	f.StringVar(&flags.format, "format", "", "publish media under any PATH, in this format: fmp4, ts, h264 (H.265 too)")
	f.StringVar(&flags.as, "container", "legacy", "what a frame of media is: legacy, which all players read, cmaf or loc")
	o.reconnectFlag(cmd)
	o.tokenFlag(cmd)
	return urlFirst(cmd, 2)
}

// validate refuses what other implementations would refuse to read: the
// publisher would see no more than subscribers that leave.
func (f pubFlags) validate() error {
	switch {
	case f.chunk < 0 || f.chunk > maxGroup:
		return usage("--chunk %d: it must be 0 to %d", f.chunk, maxGroup)
	case f.frames > maxFrames:
		return usage("--frames %d: the maximum is %d, since readers refuse longer groups", f.frames, maxFrames)
	case f.size < 0 || uint64(f.size)*f.frames > maxGroup:
		return usage("a group of %d frames of %d bytes: the maximum is %d bytes", f.frames, f.size, maxGroup)
	case f.loop && (f.source == "-" || f.source == "pattern"):
		return usage("--loop is for a file: --source %s cannot begin again", f.source)
	case f.interval < 0:
		return usage("--interval %v: it must not be negative", f.interval)
	}
	return nil
}

// open opens the source that f names.
func (f pubFlags) open(ctx context.Context, o *options) (source, error) {
	switch f.source {
	case "-":
		return newInput(ctx, o.in, f.chunk, f.keep), nil
	case "pattern":
		return patternSource{f}, nil
	}
	// Large enough to cost little for each frame, small enough to fit several
	// into a stream's window.
	if f.chunk == 0 {
		f.chunk = 64 << 10
	}
	return openFile(f)
}

// A source is where the published track comes from.
type source interface {
	// serve writes the track to one subscriber.
	serve(w api.TrackWriter, counted *counters) error
}

// counters count what was published to all subscribers together.
type counters struct {
	began                 atomic.Int64 // when the first frame was, in Unix nanoseconds
	groups, frames, bytes atomic.Int64
	givenUp               atomic.Int64 // groups that a subscriber cancelled or that became too old
}

// frame counts one frame of n bytes. It may be called by all subscribers at
// once.
func (c *counters) frame(n int) {
	if c.frames.Add(1) == 1 {
		c.began.Store(time.Now().UnixNano())
	}
	c.bytes.Add(int64(n))
}

// text formats what was counted and its average rate for people.
func (c *counters) text() string {
	text := fmt.Sprintf("%s, %s, %s", count(c.groups.Load(), "group"), count(c.frames.Load(), "frame"), size(c.bytes.Load()))
	took := time.Since(time.Unix(0, c.began.Load()))
	// A rate from so little would jump.
	if c.frames.Load() < 2 || took < 100*time.Millisecond {
		return text
	}
	return fmt.Sprintf("%s, %s", text, bitrate(8*float64(c.bytes.Load())/took.Seconds()))
}

// publish serves the track until all subscribers have it, or ctx ends. Two ends
// are kept apart: life ends the publication, which subscribers see as the end
// of the track, and ctx ends the waiting for them. So after Ctrl-C those who
// are reading still get their groups whole.
func publish(ctx context.Context, o *options, flags pubFlags, url string, path api.BroadcastPath) error {
	if err := flags.validate(); err != nil {
		return err
	}
	if err := checkPath(path); err != nil {
		return err
	}
	if o.bearer.isInput() && flags.source == "-" {
		return usage("--token - and --source - would both read standard input")
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.Close()
	src, err := flags.open(ctx, o)
	if err != nil {
		return err
	}
	p := &publisher{track: api.TrackName(flags.track), keep: flags.keep, source: src, changed: make(chan struct{}, 1), sent: make(map[api.Session]int)}
	mux := api.NewTrackMux()
	life, withdraw := context.WithCancel(context.Background())
	defer withdraw()
	if err := mux.Publish(life, path, api.TrackFuncs{Serve: p.serveTrack, Info: p.info}); err != nil {
		return usageError{err} // of the path
	}
	session, err := o.dialLasting(ctx, client, url, mux)
	if err != nil {
		return err
	}
	if o.json {
		_ = line(o.out, map[string]any{"publishing": path, "track": flags.track, "version": session.State().Version, "transport": session.State().Transport})
	}
	bar := o.startProgress(func() string { return p.text(path) })
	err = p.awaitSubscribers(ctx, session)
	if ctx.Err() != nil {
		withdraw() // current subscribers still get the end of their groups
	}
	if err == nil {
		err = awaitDelivery(client)
	}
	bar.stopReports()
	if err == nil && o.json {
		err = line(o.out, map[string]any{"done": true, "groups": p.groups.Load(), "frames": p.frames.Load(), "bytes": p.bytes.Load(), "given_up": p.givenUp.Load(), "subscribers": p.served})
	}
	return err
}

// A publisher serves the source and counts its subscribers.
//
// Its lock guards the counts of subscribers, and is not held while anything is
// written to one.
type publisher struct {
	counters
	track   api.TrackName
	keep    bool // it stays when all subscribers have received the source
	source  source
	changed chan struct{} // buffered 1

	mu     sync.Mutex
	active int
	sent   map[api.Session]int // subscribers that were sent everything and have not answered the end
	served int                 // subscribers that were sent everything and have answered
	err    error               // of the source
}

// info describes the one track there is, and tells relays how long a group is
// worth keeping.
func (p *publisher) info(_ context.Context, req api.TrackRequest) (api.TrackInfo, error) {
	if req.Name != p.track {
		return api.TrackInfo{}, api.ErrNotFound
	}
	return api.TrackInfo{MaxLatency: declaredMaxAge}, nil
}

// serveTrack runs once for each subscriber, in its goroutine. A subscriber that
// leaves is no error; one that cannot be served is told, and makes the command
// fail.
func (p *publisher) serveTrack(w api.TrackWriter) {
	p.countSubscriber(1, nil, nil)
	err := p.source.serve(w, &p.counters)
	// Where the subscriber was sent everything, its session has yet to answer
	// the end: only that proves that it has arrived.
	left := w.Context().Err() != nil
	if err != nil && !left {
		_ = w.CloseWithError(api.StreamInternal)
	} else {
		err = nil
	}
	if left {
		p.countSubscriber(-1, err, nil)
	} else {
		p.countSubscriber(-1, err, w.Request().Session)
	}
}

// countSubscriber changes the number of active subscribers. sent is the session
// of one that was sent everything.
func (p *publisher) countSubscriber(change int, err error, sent api.Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active += change
	if sent != nil {
		p.sent[sent]++
	}
	p.err = errors.Join(p.err, err)
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// awaitSubscribers returns when all subscribers have received the source, unless
// it is to be kept for later ones, or on Ctrl-C. A subscriber whose session was lost before its answer may subscribe
// again.
func (p *publisher) awaitSubscribers(ctx context.Context, session api.Session) error {
	var waiting time.Time // since when only answers are missing
	for {
		done, pending, err := p.delivered()
		switch {
		case done && !p.keep || err != nil:
			return err
		case !pending:
			waiting = time.Time{}
		case waiting.IsZero():
			waiting = time.Now()
		case time.Since(waiting) > drainTimeout:
			return fmt.Errorf("subscribers may not have received everything: no answer within %v", drainTimeout)
		}
		var again <-chan time.Time // polls, since nothing signals an answer
		if pending {
			again = time.After(20 * time.Millisecond)
		}
		select {
		case <-p.changed:
		case <-again:
		case <-ctx.Done():
			return nil
		case <-session.Context().Done():
			return context.Cause(session.Context())
		}
	}
}

// delivered tells whether all subscribers have received the source and, if
// not, whether only answers are missing.
func (p *publisher) delivered() (done, pending bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s, n := range p.sent {
		ended := context.Cause(s.Context())
		unanswered := s.Stats().Publications > 0
		switch {
		// A subscriber that left in order has read what it wanted, even if its
		// session ended before its answer came.
		case !unanswered || closedCleanly(ended):
			p.served += n
		case ended == nil:
			continue
		}
		delete(p.sent, s)
	}
	return p.served > 0 && p.active+len(p.sent) == 0, p.active == 0 && len(p.sent) > 0, p.err
}

// closedCleanly tells whether the peer has closed a session without an error.
func closedCleanly(err error) bool {
	ended, ok := errors.AsType[*api.SessionError](err)
	return ok && ended.Remote && ended.Err == nil && ended.Code == api.SessionNoError
}

// awaitDelivery waits until the subscribers have answered the end of the track: what
// they have not read would be lost by an earlier close.
func awaitDelivery(client api.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := client.Shutdown(ctx); err != nil {
		return fmt.Errorf("subscribers may not have received everything: %w", err)
	}
	return nil
}

// text is the line of progress. It may be called at any time, also after the
// end.
func (p *publisher) text(path api.BroadcastPath) string {
	p.mu.Lock()
	active, served := p.active, p.served
	p.mu.Unlock()
	if active+served == 0 && p.frames.Load() == 0 {
		return fmt.Sprintf("%s: waiting for a subscriber", path)
	}
	// Counts are of all subscribers together: a group sent to two counts twice.
	text := fmt.Sprintf("%s: %s, %d done; sent %s", path, count(int64(active), "subscriber"), served, p.counters.text())
	if n := p.givenUp.Load(); n > 0 {
		text += fmt.Sprintf("; %s cancelled by subscribers or too old", count(n, "group"))
	}
	if file, ok := p.source.(*fileSource); ok && active > 0 {
		if left := file.slowestText(); left != "" {
			text += "; the slowest has " + left
		}
	}
	return text
}
