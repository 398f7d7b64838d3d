package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

// lsCommand returns the command that lists broadcasts.
func lsCommand(o *options) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "ls URL [PREFIX]",
		Short: "List the broadcasts that a server announces",
		Long: `List the broadcasts that a server announces below a prefix.

An announcement covers the paths below it. If only a path above PREFIX is
announced, PREFIX itself is listed; whether its publisher has it is not known.`,
		Example: `  moq ls http://127.0.0.1:4443
  moq ls https://relay.example.com room --watch --json`,
		Args:              between(1, 2, "ls takes a URL and optionally a prefix"),
		ValidArgsFunction: o.completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			prefix := ""
			if len(args) > 1 {
				prefix = args[1]
			}
			err := list(cmd.Context(), o, args[0], prefix, watch)
			if watch && cmd.Context().Err() != nil {
				return nil
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "keep reporting changes, until Ctrl-C")
	o.reconnectFlag(cmd)
	o.tokenFlag(cmd)
	return urlFirst(cmd, 2)
}

// list prints what is announced now, and with watch what changes after that. A
// relay sends its current announcements first and then marks that they are
// complete, so a list needs no guess at how long to wait.
func list(ctx context.Context, o *options, url, prefix string, watch bool) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.Close()
	dial := o.dial
	if watch {
		dial = o.dialLasting
	}
	session, err := dial(ctx, client, url, api.NewTrackMux())
	if err != nil {
		return err
	}
	// The context is the command's: it ends a watch, however long that goes on.
	announced, err := session.Announcements(ctx, prefix)
	if err != nil {
		return err
	}
	defer announced.Close()
	// A watch goes on for ever; only the initial list has to come in time.
	initial, cancel := context.WithTimeoutCause(ctx, o.timeout, errTimeout{o, "the server did not finish its list of broadcasts"})
	defer cancel()
	for {
		bound := initial
		if watch {
			bound = ctx
		}
		a, err := announced.Receive(bound)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case a.Status == api.AnnouncementsComplete && !watch:
			return nil
		case a.Status == api.AnnouncementsComplete:
			continue
		}
		if err := o.printAnnouncement(a, watch); err != nil {
			return err
		}
	}
}

// printAnnouncement prints a path, or with --json also the hops that it came
// by. For scripts a change of route is the same as an announcement: the path is
// there.
func (o *options) printAnnouncement(a api.Announcement, watch bool) error {
	if !o.json {
		path := cmp.Or(string(a.Path), "/") // / is the root of the session
		if watch {
			_, err := fmt.Fprintf(o.out, "%-7s %s\n", a.Status, path)
			return err
		}
		_, err := fmt.Fprintln(o.out, path)
		return err
	}
	// In an object each line stands for itself, so an update is a line like the
	// first.
	status := a.Status
	if status == api.AnnouncementUpdated {
		status = api.AnnouncementActive
	}
	// A list in any case, so that scripts need not look for null.
	hops := a.Hops
	if hops == nil {
		hops = []api.Hop{}
	}
	return line(o.out, map[string]any{"path": a.Path, "status": status.String(), "hops": hops})
}
