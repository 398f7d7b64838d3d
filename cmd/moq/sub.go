package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

// askedMaxAge is how far behind a group may fall before it is skipped.
const askedMaxAge = 30 * time.Second

// subFlags are the flags of sub.
type subFlags struct {
	sinkFlags
	groups uint64
	start  string
}

// subCommand returns the command that reads one track.
func subCommand(o *options) *cobra.Command {
	var flags subFlags
	cmd := &cobra.Command{
		Use:   "sub URL PATH TRACK",
		Short: "Subscribe to a track and write its payloads",
		Long: `Subscribe to a track of a broadcast, as soon as it is announced, and write the
payloads of its frames in order, until the track ends.

With --json there is an object for each frame, with its payload: "payload" if that
is UTF-8, or else "payload_base64". {"gap":[A,B]} says that the groups from A up
to, but without, B were lost.

It begins with the oldest group that is still available. Groups that do not arrive
after that are reported as lost; with --start N, all from N on that do not arrive.
With --output, the file begins with group 0, or with --start, and gets its name only
when it is complete; lost groups are then an error.

If the connection is lost, the command reconnects and continues where it was;
groups that were missed are reported.`,
		Example: `  moq sub http://127.0.0.1:4443 room/file data --output copy.mp4
  moq sub https://relay.example.com room/clock time --start latest
  moq sub moqt://127.0.0.1:4443 room/test data --json --groups 10 --insecure`,
		Args:              exactly(3, "sub takes a URL, a broadcast's path and a track's name"),
		ValidArgsFunction: o.completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			return subscribe(cmd.Context(), o, flags, args[0], api.BroadcastPath(args[1]).Clean(), api.TrackName(args[2]))
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&flags.groups, "groups", 0, "stop after this many groups; 0: at the end of the track")
	f.StringVar(&flags.start, "start", "", "the first group: a number, or latest for the newest that there is; without it, the oldest that is available")
	flags.add(cmd)
	o.reconnectFlag(cmd)
	o.tokenFlag(cmd)
	return urlFirst(cmd, 3)
}

// config returns what to ask for. Without --start that is the oldest group that the
// publisher holds.
func (f subFlags) config() (*api.SubscribeConfig, error) {
	c := &api.SubscribeConfig{MaxLatency: askedMaxAge}
	switch f.start {
	case "":
		return c, nil
	case "latest":
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
	if err == nil {
		err = checkPath(path)
	}
	if err != nil {
		return err
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.Close()
	out, err := o.sink(flags.sinkFlags)
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
	err = read(ctx, track, out, readRange{config.StartGroup, flags.start != "", flags.groups})
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
	defer o.sayWaiting(path)()
	track, err := api.SubscribeWhenAnnounced(ctx, session, path, name, c)
	return track, simplified(err)
}
