package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

// askedMaxAge is how far behind a group may fall before it is skipped.
const askedMaxAge = 30 * time.Second

// subFlags are the flags of sub.
type subFlags struct {
	groups uint64
	start  string
	output string
}

// subCommand returns the command that reads one track.
func subCommand(o *options) *cobra.Command {
	var flags subFlags
	cmd := &cobra.Command{
		Use:   "sub URL PATH TRACK",
		Short: "Subscribe to a track and write its payloads",
		Long: `Subscribe to a track of a broadcast, as soon as it is announced, and write the
payloads of its frames in order, until the track ends.

Groups that do not arrive are reported as lost, including those from --start on
that the publisher does not hold any more. With --output, the file gets its name
only when it is complete; lost groups are then an error.

If the connection is lost, the command reconnects and continues where it was;
groups that were missed are reported.`,
		Example: `  moq sub http://127.0.0.1:4443 room/file data --output copy.mp4
  moq sub https://relay.example.com room/clock time --start latest
  moq sub moqt://127.0.0.1:4443 room/test data --json --groups 10 --insecure`,
		Args: exactly(3, "sub takes a URL, a broadcast's path and a track's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return subscribe(cmd.Context(), o, flags, args[0], api.BroadcastPath(args[1]).Clean(), api.TrackName(args[2]))
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&flags.groups, "groups", 0, "stop after this many groups; 0: at the end of the track")
	f.StringVar(&flags.start, "start", "0", "the first group: a number, or latest for the newest that there is")
	f.StringVar(&flags.output, "output", "", "write to this `file`")
	o.reconnectFlag(cmd)
	o.tokenFlag(cmd)
	return urlFirst(cmd, 3)
}

// config returns what to ask for. The start is a group, as in package api: 0 is
// the oldest that the publisher holds.
func (f subFlags) config() (*api.SubscribeConfig, error) {
	c := &api.SubscribeConfig{MaxLatency: askedMaxAge}
	if f.start == "latest" {
		c.StartGroup = api.GroupLatest
		return c, nil
	}
	n, err := strconv.ParseUint(f.start, 10, 62)
	if err != nil {
		return nil, usage("--start %s: it must be a number, or latest", f.start)
	}
	c.StartGroup = api.GroupSequence(n)
	return c, nil
}

// subscribe reads the track to its end. Ctrl-C is the usual end of an unbounded
// track, and no error, except for a file, which is then incomplete.
func subscribe(ctx context.Context, o *options, flags subFlags, url string, path api.BroadcastPath, name api.TrackName) error {
	// Flags are checked before anything is dialled or written.
	config, err := flags.config()
	if err != nil {
		return err
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.Close()
	out, err := o.sink(flags.output)
	if err != nil {
		return err
	}
	// After commit it does nothing.
	defer out.discard()
	session, err := o.dialLasting(ctx, client, url, api.NewTrackMux())
	if err != nil {
		return err
	}
	track, err := o.openAnnounced(ctx, session, path, name, config)
	if err != nil {
		return err
	}
	defer track.Close()
	bar := o.startProgress(out.text)
	err = read(ctx, track, out, config.StartGroup, flags.groups)
	bar.stopReports()
	switch {
	case ctx.Err() != nil && flags.output == "":
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %s was not written", flags.output)
	case err != nil:
		return fmt.Errorf("%s of %s: %w", name, path, err)
	}
	if err := out.commit(); err != nil {
		return err
	}
	// The publisher waits for an answer to the end of the track.
	_ = track.Close()
	wait, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = client.Shutdown(wait)
	return nil
}

// openAnnounced subscribes once the broadcast is announced and a publisher
// that announces it has the track.
func (o *options) openAnnounced(ctx context.Context, session api.Session, path api.BroadcastPath, name api.TrackName, c *api.SubscribeConfig) (api.TrackReader, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, errTimeout{o, fmt.Sprintf("nobody has announced %q or answered for it", string(path))})
	defer cancel()
	track, err := api.SubscribeWhenAnnounced(ctx, session, path, name, c)
	return track, simplified(err)
}

// A sink is where a track is written, in order.
//
// Only the goroutine that reads in order writes to it; the counters are read by
// the progress too.
type sink struct {
	o    *options
	w    io.Writer // for payloads; nil with --json
	file *os.File  // a temporary file, renamed at the end; nil for standard output
	name string

	groups, frames, bytes atomic.Int64
	lost                  []api.Gap
}

// sink opens a temporary file beside the named one, or uses standard output.
func (o *options) sink(name string) (*sink, error) {
	s := &sink{o: o, name: name}
	if name == "" {
		if !o.json {
			s.w = o.out
		}
		return s, nil
	}
	// In the same directory, since a rename does not cross file systems;
	// hidden, so that nobody takes it for the result.
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.part")
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	s.file, s.w = f, f
	return s, nil
}

// text is the line of progress.
func (s *sink) text() string {
	return fmt.Sprintf("received %d groups, %d frames, %s", s.groups.Load(), s.frames.Load(), size(s.bytes.Load()))
}

// frame writes a payload, or with --json an object with its hash: the payloads
// could be anything, and two runs can be compared by their hashes.
func (s *sink) frame(group api.GroupSequence, index uint64, f api.Frame) error {
	s.frames.Add(1)
	s.bytes.Add(int64(len(f.Payload)))
	if s.w != nil {
		if _, err := s.w.Write(f.Payload); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	if !s.o.json {
		return nil
	}
	// The payload itself is not printed: it may be binary, and large.
	sum := sha256.Sum256(f.Payload)
	return line(s.o.out, struct {
		Group     api.GroupSequence `json:"group"`
		Frame     uint64            `json:"frame"`
		Size      int               `json:"size"`
		SHA256    string            `json:"sha256"`
		Timestamp uint64            `json:"timestamp"`
	}{group, index, len(f.Payload), hex.EncodeToString(sum[:]), f.Timestamp})
}

// gap records lost groups.
func (s *sink) gap(g api.Gap) error {
	s.lost = append(s.lost, g)
	if s.o.json {
		return line(s.o.out, map[string]any{"gap": []api.GroupSequence{g.Start, g.End}, "why": reason(g)})
	}
	// At once, and not only at the end: an unbounded track has none.
	fmt.Fprintf(s.o.err, "lost %s: %s\n", gapText(g), reason(g))
	return nil
}

// restart records that the track has restarted with new group numbers. It
// fails for a file, which cannot be continued with data of another origin.
func (s *sink) restart(why error) error {
	if s.file != nil {
		return fmt.Errorf("%s was not written: %w", s.name, why)
	}
	if s.o.json {
		return line(s.o.out, map[string]any{"restart": true})
	}
	fmt.Fprintf(s.o.err, "%v\n", why)
	return nil
}

// gapText names the groups of a gap for people. A gap without numbers stands
// for gaps that the session has forgotten, since nobody asked for them in time.
func gapText(g api.Gap) string {
	if g.Start == g.End {
		return "some groups"
	}
	if g.End == g.Start+1 {
		return fmt.Sprintf("group %d", g.Start)
	}
	return fmt.Sprintf("groups %d to %d", g.Start, g.End-1)
}

// reason describes why groups are missing.
func reason(g api.Gap) string {
	if g.Err == nil {
		return "no reason is known"
	}
	return g.Err.Error()
}

// commit renames the temporary file if no group was lost, and else returns an
// error.
func (s *sink) commit() error {
	if s.file == nil {
		return nil
	}
	// A file with holes would look like a whole one.
	if len(s.lost) > 0 {
		var all []string
		for _, g := range s.lost {
			all = append(all, gapText(g)+" ("+reason(g)+")")
		}
		return fmt.Errorf("%s was not written: lost %s", s.name, strings.Join(all, ", "))
	}
	if err := errors.Join(s.file.Chmod(0o644), s.file.Close(), os.Rename(s.file.Name(), s.name)); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	s.file = nil
	return nil
}

// discard removes a temporary file that was not renamed.
func (s *sink) discard() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
