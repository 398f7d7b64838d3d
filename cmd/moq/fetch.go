package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

type fetchFlags struct {
	startFrame, endFrame uint64
	output               string
}

func fetchCommand(o *options) *cobra.Command {
	var flags fetchFlags
	cmd := &cobra.Command{
		Use:   "fetch URL PATH TRACK GROUP",
		Short: "Fetch one group of a track and write its payloads out",
		Long: `Fetch one group of a track, once its broadcast is announced, and write the
payloads of its frames out in order, as sub does. Whether a group of the past
can be had is the publisher's matter, and that of the relays on the way.

It takes moq-lite-05 or later, and moq-lite-06 to fetch some of the frames.
With --output, the file appears under its name only when it is whole.`,
		Example: `  moq fetch http://127.0.0.1:4443 room/file data 0 --output first.bin
  moq fetch https://relay.example.com room/clock time 17 --json
  moq fetch moqt://127.0.0.1:4443 room/test data 3 --start-frame 1 --insecure`,
		Args: exactly(4, "fetch takes a URL, a broadcast's path, a track's name and a group's number"),
		RunE: func(cmd *cobra.Command, args []string) error {
			group, err := strconv.ParseUint(args[3], 10, 62)
			if err != nil {
				return usage("%q is no group: that is a number, from 0", args[3])
			}
			return fetch(cmd.Context(), o, flags, args[0], api.FetchRequest{
				Path: api.BroadcastPath(args[1]).Clean(), Name: api.TrackName(args[2]), Group: api.GroupSequence(group),
				StartFrame: flags.startFrame, EndFrame: flags.endFrame,
			})
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&flags.startFrame, "start-frame", 0, "the first frame, from 0")
	f.Uint64Var(&flags.endFrame, "end-frame", 0, "the frame to stop before; 0 is the group's end")
	f.StringVar(&flags.output, "output", "", "write to this `file`")
	return cmd
}

func fetch(ctx context.Context, o *options, flags fetchFlags, url string, req api.FetchRequest) error {
	if flags.endFrame != 0 && flags.endFrame <= flags.startFrame {
		return usage("--end-frame %d leaves nothing from --start-frame %d on", flags.endFrame, flags.startFrame)
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
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: group %d is not whole", req.Group)
	case err != nil:
		return fmt.Errorf("group %d of %s of %s is not whole: %w", req.Group, req.Name, req.Path, err)
	}
	return out.commit()
}

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
		index++
	}
	s.groups.Add(1)
	return nil
}
