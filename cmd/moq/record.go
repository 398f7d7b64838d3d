package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/record"
)

// recordFlags are the flags of record.
type recordFlags struct {
	output       string
	force        bool
	video, audio string
	duration     time.Duration
}

// recordCommand returns the command that records a broadcast.
func recordCommand(o *options) *cobra.Command {
	var flags recordFlags
	cmd := &cobra.Command{
		Use:   "record URL PATH --output FILE.mp4",
		Short: "Record a broadcast of media into an MP4",
		Long: `Record the pictures and the sound of a broadcast, as soon as it is announced, into a
fragmented MP4, until the broadcast ends, or Ctrl-C. What is in the file plays
at any time, also after a full disk or a crash.

It takes the best of each that the catalog offers, or what --video and --audio
name. What was lost is told, and leaves a hole in time: pictures and sound stay
in step. What one file cannot hold, such as sound that changes its form, goes on
in FILE-2.mp4. If the connection is lost, the command reconnects.`,
		Example: `  moq record http://127.0.0.1:4443 room/cam.hang --output cam.mp4
  moq record https://relay.example.com room/cam.hang --output - | ffplay -
  moq record http://127.0.0.1:4443 room/cam.hang --output talk.mp4 --video none --duration 10m`,
		Args:              exactly(2, "record takes a URL and a broadcast's path"),
		ValidArgsFunction: o.completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			return recordBroadcast(cmd.Context(), o, flags, args[0], api.BroadcastPath(args[1]).Clean())
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.output, "output", "", "the `file` to write, or - for standard output")
	f.BoolVar(&flags.force, "force", false, "replace a file that exists")
	f.StringVar(&flags.video, "video", "", "the track of the pictures, or none; without it, the best")
	f.StringVar(&flags.audio, "audio", "", "the track of the sound, or none; without it, the best")
	f.DurationVar(&flags.duration, "duration", 0, "stop after so much; 0: at the end of the broadcast")
	o.reconnectFlag(cmd)
	o.tokenFlag(cmd)
	return urlFirst(cmd, 2)
}

// choice returns what is to be recorded.
func (f recordFlags) choice() *record.Choice {
	c := &record.Choice{Video: f.video, Audio: f.audio, NoVideo: f.video == "none", NoAudio: f.audio == "none"}
	if c.NoVideo {
		c.Video = ""
	}
	if c.NoAudio {
		c.Audio = ""
	}
	return c
}

func (f recordFlags) validate(o *options) error {
	switch {
	case f.output == "":
		return usage("record needs --output: a file, or - for standard output")
	case f.output == "-" && o.json:
		return usage("--output - and --json would both write to standard output")
	case f.video == "none" && f.audio == "none":
		return usage("--video none --audio none leaves nothing to record")
	case f.duration < 0:
		return usage("--duration %v: it must not be negative", f.duration)
	}
	return nil
}

// recordBroadcast records until the broadcast ends, or ctx, or the duration is
// reached: all three are usual, and so is a publisher that leaves without ending
// its tracks.
func recordBroadcast(ctx context.Context, o *options, flags recordFlags, url string, path api.BroadcastPath) error {
	if err := flags.validate(o); err != nil {
		return err
	}
	if err := checkPath(path); err != nil {
		return err
	}
	out := newMovie(o, flags)
	if err := out.check(); err != nil {
		return err
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := o.dialAndAwait(ctx, client, url, path)
	if err != nil {
		return err
	}
	recording, err := o.openRecording(ctx, session, path, flags)
	if err != nil {
		return err
	}
	defer recording.Close()
	out.tracks = recording.Tracks()
	fmt.Fprintf(o.err, "recording %s: %s\n", path, strings.Join(trackTexts(out.tracks), ", "))
	bar := o.startProgress(out.text)
	err = recording.Copy(out)
	bar.stopReports()
	if err := tellGaps(o, recording, out); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil, errors.Is(err, errDuration):
		err = out.closed
	case errors.Is(err, api.ErrNotFound) && out.length.Load() > 0:
		fmt.Fprintf(o.err, "the broadcast is gone: %v\n", err)
		err = out.closed
	}
	return out.finish(err)
}

// openRecording waits for the catalog and the first packets.
func (o *options) openRecording(ctx context.Context, session api.Session, path api.BroadcastPath, flags recordFlags) (*record.Recording, error) {
	// The recording lives as long as its context, so the timeout must not be
	// that of the context.
	limited, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(o.timeout, func() { cancel(errTimeout{o, fmt.Sprintf("%s has brought nothing that can be recorded", path)}) })
	recording, err := record.Open(limited, session, path, flags.choice())
	if !timer.Stop() && err == nil {
		_ = recording.Close()
		err = context.Cause(limited)
	}
	return recording, simplified(err)
}

// tellGaps prints what is missing from the recording.
func tellGaps(o *options, r *record.Recording, out *movie) error {
	for _, g := range r.Gaps() {
		name, why := out.trackName(g.Track), "the publisher has sent nothing"
		if g.Err != nil {
			why = g.Err.Error()
		}
		if o.json {
			if err := line(o.out, map[string]any{"gap": []float64{g.Start.Seconds(), g.End.Seconds()}, "track": name, "why": why}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(o.err, "%s is missing from %v to %v: %s\n", name, g.Start.Round(time.Millisecond), g.End.Round(time.Millisecond), why)
	}
	return nil
}
