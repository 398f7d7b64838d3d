package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// catalogCommand returns the command that shows what a broadcast holds.
func catalogCommand(o *options) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "catalog URL PATH",
		Short: "Show what a broadcast of media holds",
		Long: `Show the tracks that a broadcast's catalog names, what is wrong with the catalog,
and what a browser would not play.

With --json there is an object for each version: the document as it was
published, and what is wrong with it.`,
		Example: `  moq catalog http://127.0.0.1:4443 room/cam.hang
  moq catalog https://relay.example.com room/cam.msf --watch --json`,
		Args:              exactly(2, "catalog takes a URL and a broadcast's path"),
		ValidArgsFunction: o.completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			return showCatalog(cmd.Context(), o, watch, args[0], api.BroadcastPath(args[1]).Clean())
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on with each new version, until Ctrl-C or the end of the broadcast")
	o.reconnectFlag(cmd)
	o.tokenFlag(cmd)
	return urlFirst(cmd, 2)
}

// showCatalog prints the catalog as it is now, or with watch each version.
func showCatalog(ctx context.Context, o *options, watch bool, url string, path api.BroadcastPath) error {
	if err := checkPath(path); err != nil {
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
	// Without watch, a catalog that does not come is an error in time.
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(o.timeout, func() { cancel(errTimeout{o, fmt.Sprintf("%s has published no catalog", path)}) })
	defer timer.Stop()
	shown := 0
	for document, err := range media.Documents(limited, session, path) {
		timer.Stop()
		switch {
		case ctx.Err() != nil && watch:
			return nil
		case err != nil:
			return simplified(err)
		}
		if err := o.printCatalog(path, document); err != nil {
			return err
		}
		shown++
		if !watch {
			return nil
		}
	}
	if shown == 0 {
		return fmt.Errorf("%s has ended without a catalog", path)
	}
	return nil
}

// printCatalog prints one version.
func (o *options) printCatalog(path api.BroadcastPath, document []byte) error {
	parse := media.ParseCatalog
	if media.CatalogTrack(path) == "catalog" {
		parse = media.ParseMSF
	}
	c, faults, err := parse(document)
	if err != nil {
		return err
	}
	texts := make([]string, 0, len(faults))
	for _, f := range faults {
		texts = append(texts, f.Error())
	}
	if o.json {
		return line(o.out, map[string]any{"catalog": rawJSON(document), "wrong": texts, "unplayable": unplayable(c)})
	}
	var b strings.Builder
	describeCatalog(&b, c)
	for _, text := range texts {
		fmt.Fprintf(&b, "wrong: %s\n", text)
	}
	for _, text := range unplayable(c) {
		fmt.Fprintf(&b, "browsers: %s\n", text)
	}
	_, err = o.out.Write([]byte(b.String()))
	return err
}

// rawJSON is a document that is part of another one.
type rawJSON []byte

// MarshalJSON implements json.Marshaler.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

// describeCatalog writes a line a track.
func describeCatalog(b *strings.Builder, c *media.Catalog) {
	for _, name := range sorted(c.Video.Renditions) {
		v := c.Video.Renditions[name]
		fmt.Fprintf(b, "video %s: %s", name, v.Codec)
		if v.CodedSize.Width > 0 {
			fmt.Fprintf(b, ", %dx%d", v.CodedSize.Width, v.CodedSize.Height)
		}
		if v.Framerate > 0 {
			fmt.Fprintf(b, ", %g/s", v.Framerate)
		}
		describeCommon(b, v.Container, v.Bitrate, v.Jitter, v.Label, v.Broadcast)
	}
	for _, name := range sorted(c.Audio.Renditions) {
		a := c.Audio.Renditions[name]
		fmt.Fprintf(b, "audio %s: %s, %d Hz, %s", name, a.Codec, a.SampleRate, count(int64(a.Channels), "channel"))
		describeCommon(b, a.Container, a.Bitrate, a.Jitter, a.Label, a.Broadcast)
	}
	for _, name := range sorted(c.Text.Renditions) {
		t := c.Text.Renditions[name]
		fmt.Fprintf(b, "text %s: %s %s", name, t.Format, t.Lang)
		describeCommon(b, t.Container, 0, t.Jitter, t.Label, t.Broadcast)
	}
	for kind, tracks := range map[string]map[api.TrackName]media.DataTrack{"json": c.JSON, "binary": c.Binary} {
		for _, name := range sorted(tracks) {
			d := tracks[name]
			fmt.Fprintf(b, "%s %s: %s %s%s%s\n", kind, name, d.Mode, d.Compression, d.Schema, d.Mime)
		}
	}
	if c.Clock != nil {
		if start, ok := c.Clock.Time(0); ok {
			fmt.Fprintf(b, "clock: media time 0 was at %s\n", start.Format(time.RFC3339Nano))
		}
	}
	if c.Archive != nil {
		fmt.Fprintf(b, "archive: listed in %s\n", c.Archive.Track)
	}
}

// describeCommon writes what renditions of all kinds have, and ends the line.
func describeCommon(b *strings.Builder, c media.Container, rate uint64, jitter time.Duration, label, broadcast string) {
	if rate > 0 {
		fmt.Fprintf(b, ", %s", bitrate(float64(rate)))
	}
	fmt.Fprintf(b, ", %s", c.Kind)
	if jitter > 0 {
		fmt.Fprintf(b, ", jitter %v", jitter)
	}
	if label != "" {
		fmt.Fprintf(b, ", %q", label)
	}
	if broadcast != "" {
		fmt.Fprintf(b, ", in broadcast %s", broadcast)
	}
	b.WriteByte('\n')
}

// undecodable are the beginnings of the codecs that browsers do not decode, or
// only where the hardware does.
var undecodable = map[string]string{
	"hvc1": "H.265 needs hardware, or Safari", "hev1": "H.265 needs hardware, or Safari",
	"ac-3": "no browser decodes AC-3", "ec-3": "no browser decodes E-AC-3", "mp2": "no browser decodes MPEG layer 2", "pcm": "Chromium refuses PCM",
}

// unplayable says which renditions browsers would not play, and why.
func unplayable(c *media.Catalog) (texts []string) {
	add := func(name api.TrackName, codec string) {
		kind, profile, _ := strings.Cut(codec, ".")
		why := undecodable[kind]
		if strings.HasPrefix(kind, "avc") && strings.HasSuffix(profile, "09") {
			why = "Chromium refuses level 1b"
		}
		if why != "" {
			texts = append(texts, fmt.Sprintf("%s will not play everywhere: %s", name, why))
		}
	}
	for _, name := range sorted(c.Video.Renditions) {
		add(name, c.Video.Renditions[name].Codec)
	}
	for _, name := range sorted(c.Audio.Renditions) {
		add(name, c.Audio.Renditions[name].Codec)
	}
	return texts
}

// sorted returns the names of tracks in order.
func sorted[T any](tracks map[api.TrackName]T) []api.TrackName {
	return slices.Sorted(maps.Keys(tracks))
}
