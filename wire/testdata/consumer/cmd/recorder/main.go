// Command recorder records tracks of all broadcasts below a prefix:
//
//	recorder -prefix fleet -tracks state,log -to recordings
//
// A track's files have a line a frame or a loss, in order, and are .part until they are whole:
//
//	{"group":7,"frame":0,"time":"2026-12-01T15:04:05.678Z","payload":"aGVsbG8="}
//	{"group":8,"frame":0,"lost":"groups 8 to 9 are lost: not found"}
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/wire"
)

type recorder struct {
	url, prefix, tracks, dir string
	limit                    int64        // bytes of a file
	files                    atomic.Int64 // how many there have been
	session                  api.Session
	fail                     context.CancelCauseFunc // ends run
}

func main() {
	var r recorder
	flag.StringVar(&r.url, "url", "http://127.0.0.1:4443", "the relay")
	flag.StringVar(&r.prefix, "prefix", "", "the prefix of the broadcasts")
	flag.StringVar(&r.tracks, "tracks", "log", "their tracks, with commas between")
	flag.StringVar(&r.dir, "to", ".", "the directory of the files")
	flag.Int64Var(&r.limit, "limit", 64<<20, "the bytes after which a file is whole")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, cleanup := wire.NewClient(wire.Options{})
	defer cleanup()
	if err := r.run(ctx, client); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// run records until ctx is done, or the session or a file has failed for good.
func (r *recorder) run(ctx context.Context, client api.Client) (err error) {
	ctx, r.fail = context.WithCancelCause(ctx)
	defer r.fail(nil)
	r.session, err = impl.NewRedialer(client, redial.Policy{Logger: slog.Default()}).Dial(ctx, r.url, api.NewTrackMux())
	if err != nil {
		return err
	}
	return api.EachBroadcast(ctx, r.session, r.prefix, func(live context.Context, a api.Announcement) {
		var recording sync.WaitGroup
		for name := range strings.SplitSeq(r.tracks, ",") {
			recording.Go(func() { r.record(ctx, a.Path, api.TrackName(name)) })
		}
		recording.Wait()
		if live.Err() != nil { // its publisher was away, and recorded on when it was back
			_ = api.WaitEnded(ctx, r.session, a)
		}
	})
}

// record records a track of one publisher until it ends: all that is held and
// what follows, over lost sessions. It may end after the broadcast.
func (r *recorder) record(ctx context.Context, path api.BroadcastPath, name api.TrackName) {
	track, err := r.session.Subscribe(ctx, path, name, &api.SubscribeConfig{Resume: true})
	if err != nil {
		slog.Warn("not recorded", "path", path, "track", name, "error", err)
		return
	}
	defer track.Close()
	out := r.newFiles(path, name)
	defer out.finish()
	fetch := func(ctx context.Context, seq api.GroupSequence) (api.GroupReader, error) {
		return r.session.Fetch(ctx, api.FetchRequest{Path: path, Name: name, Group: seq})
	}
	for group, err := range api.Ordered(ctx, track, &api.OrderedConfig{Fetch: fetch}) {
		gap, lost := errors.AsType[*api.GapError](err)
		restart, restarted := errors.AsType[*api.RestartError](err)
		switch {
		case err == nil:
			recordGroup(ctx, group, track.Info(), out)
		case lost:
			out.write(line{Group: gap.Start, Lost: err.Error()})
		case restarted && restart.Before != restart.After && min(restart.Before, restart.After) > 0:
			return // the other publisher is announced by itself
		case restarted:
			out.finish()
		case ctx.Err() == nil:
			slog.Warn("not recorded any more", "path", path, "track", name, "error", err)
		}
	}
}

// recordGroup records a group until it ends.
func recordGroup(ctx context.Context, group api.GroupReader, info api.TrackInfo, out *files) {
	l := line{Group: group.Sequence(), Frame: group.FirstFrame()}
	for frame, err := range api.Frames(ctx, group, nil) {
		if err == nil {
			l.Time, l.Payload = info.Time(frame.Timestamp), frame.Payload
			out.write(l)
			l.Frame++
		} else if ctx.Err() == nil {
			out.write(line{Group: l.Group, Frame: l.Frame, Lost: err.Error()}) // the rest of it
		}
	}
}
