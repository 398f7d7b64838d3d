package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

// fetchFlags are the flags of fetch. The frames are those from startFrame up
// to, but without, endFrame; 0 is the end of the group.
type fetchFlags struct {
	sinkFlags
	startFrame, endFrame uint64
}

// fetchCommand returns the command that fetches one group.
func fetchCommand(o *options) *cobra.Command {
	var flags fetchFlags
	cmd := &cobra.Command{
		Use:   "fetch URL PATH TRACK GROUP",
		Short: "Fetch one group of a track and write its payloads",
		Long: `Fetch one group of a track, as soon as its broadcast is announced, and write the
payloads of its frames in order, as sub does. The publisher and the relays in
between decide how long a past group stays available.

This needs moq-lite-05 or later, and moq-lite-06 for --start-frame and
--end-frame. With --output, the file gets its name only when it is complete.`,
		Example: `  moq fetch http://127.0.0.1:4443 room/file data 0 --output first.bin
  moq fetch https://relay.example.com room/clock time 17 --json
  moq fetch moqt://127.0.0.1:4443 room/test data 3 --start-frame 1 --insecure`,
		Args:              exactly(4, "fetch takes a URL, a broadcast's path, a track's name and a group's number"),
		ValidArgsFunction: o.completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			group, err := strconv.ParseUint(args[3], 10, 62)
			if err != nil {
				return usage("%q is not a group: it must be a number, from 0", args[3])
			}
			return fetch(cmd.Context(), o, flags, args[0], api.FetchRequest{
				Path: api.BroadcastPath(args[1]).Clean(), Name: api.TrackName(args[2]), Group: api.GroupSequence(group),
				StartFrame: flags.startFrame, EndFrame: flags.endFrame,
			})
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&flags.startFrame, "start-frame", 0, "the first frame, from 0")
	f.Uint64Var(&flags.endFrame, "end-frame", 0, "the frame to stop before; 0: the end of the group")
	flags.add(cmd)
	o.tokenFlag(cmd)
	return urlFirst(cmd, 4)
}

// fetch writes the frames of one group while they arrive. Without --output,
// what has arrived of an incomplete group stays written; the exit status tells.
func fetch(ctx context.Context, o *options, flags fetchFlags, url string, req api.FetchRequest) error {
	if flags.endFrame != 0 && flags.endFrame <= flags.startFrame {
		return usage("--end-frame %d must be greater than --start-frame %d", flags.endFrame, flags.startFrame)
	}
	if err := checkPath(req.Path); err != nil {
		return err
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.Close()
	// Before the dial, so that a file that cannot be written fails without a
	// connection.
	out, err := o.sink(flags.sinkFlags)
	if err != nil {
		return err
	}
	defer out.discard()
	session, err := o.dialAndAwait(ctx, client, url, req.Path)
	if err != nil {
		return err
	}
	group, err := o.request(ctx, session, req)
	if err != nil {
		return err
	}
	bar := o.startProgress(out.text)
	err = out.group(ctx, group)
	bar.stopReports()
	switch {
	// Ctrl-C cancels the fetch; what its error says is of no interest then.
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: group %d is incomplete", req.Group)
	case err != nil:
		return fmt.Errorf("group %d of %s of %s is incomplete: %w", req.Group, req.Name, req.Path, err)
	}
	return out.commit()
}

// request sends the fetch and waits for its answer within the timeout. The
// group may take longer: it may be one that is being written.
func (o *options) request(ctx context.Context, session api.Session, req api.FetchRequest) (api.GroupReader, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, errTimeout{o, "no answer to the fetch"})
	defer cancel()
	return session.Fetch(ctx, req)
}

// group writes a group while it arrives.
func (s *sink) group(ctx context.Context, g api.GroupReader) error {
	index := g.FirstFrame()
	for f, err := range api.Frames(ctx, g, nil) {
		if err != nil {
			return err
		}
		if err := s.frame(g.Sequence(), index, *f); err != nil {
			return err
		}
		// The numbers go on from the first frame that was asked for, as the
		// group has them.
		index++
	}
	s.groups.Add(1)
	return nil
}
