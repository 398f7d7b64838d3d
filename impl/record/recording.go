package record

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

const (
	// settleFor is how long a catalog is watched that has all that is wanted,
	// since better renditions may follow, and waitFor one that has not.
	settleFor = 200 * time.Millisecond
	waitFor   = time.Second

	// startWithin is how long Open waits for the first packets, which describe
	// the tracks.
	startWithin = 2 * time.Second
)

// A Recording is a broadcast as packets: a [media.Reader]. Open makes one.
type Recording struct {
	shared
	ctx    context.Context
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup
	tracks [kinds]*track
	picked [kinds]api.TrackName
	stops  [kinds]func() // ends a track's goroutine and waits for it
	told   []media.Track
	mux    mux
}

// Open subscribes to a broadcast and returns its recording. It waits until the
// broadcast is announced, and its catalog has what choice wants; nil is the best
// of all. It then waits for the first packets, so that Tracks can tell what only
// they do, but not for long.
//
// The recording ends with ctx, which bounds Open too. The error matches
// [ErrNoRendition] if the catalog has nothing that choice allows, and is
// otherwise that of the session or of the catalog.
func Open(ctx context.Context, s api.Subscriber, path api.BroadcastPath, choice *Choice) (*Recording, error) {
	full, err := choice.complete()
	if err != nil {
		return nil, err
	}
	r := &Recording{shared: shared{session: s, path: path, choice: full, catalog: newCatalog(),
		idle: newCensus(full.MaxLatency), ready: make(chan struct{}, 1)}}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.tasks.Go(func() { r.catalog.follow(r.ctx, s, path) })
	if err := r.open(); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// open chooses renditions while the catalog settles, and waits for their first
// packets.
func (r *Recording) open() error {
	var settled <-chan time.Time
	var begun time.Time
	for {
		s := r.catalog.state()
		if begun.IsZero() && (s.newest != nil || s.err != nil) {
			begun = time.Now()
		}
		if s.newest != nil {
			r.choose(s.newest)
		}
		if !begun.IsZero() {
			wait := waitFor
			if r.complete() {
				wait = settleFor
			}
			settled = time.After(time.Until(begun.Add(wait)))
		}
		if s.ended {
			return r.chosen(s)
		}
		select {
		case <-s.changed:
			continue
		case <-settled:
			return r.chosen(s)
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
	}
}

// choose reads the best renditions of a catalog, in place of those that were read
// before.
func (r *Recording) choose(c *media.Catalog) {
	for k := range kinds {
		best, t := r.choice.pick(c, k), r.tracks[k]
		if best == nil || t != nil && r.picked[k] == best.name {
			continue
		}
		if t != nil {
			r.stops[k]()
		}
		t = newTrack(&r.shared, k, best)
		ctx, cancel := context.WithCancel(r.ctx)
		done := make(chan struct{})
		r.tracks[k], r.picked[k] = t, best.name
		r.stops[k] = func() { cancel(); <-done }
		r.idle.enter()
		r.tasks.Go(func() {
			defer close(done)
			defer cancel()
			defer r.idle.leave()
			t.run(ctx)
		})
	}
}

// complete reports whether all that is wanted is there.
func (r *Recording) complete() bool {
	for k := range kinds {
		if r.choice.wants(k) && r.tracks[k] == nil {
			return false
		}
	}
	return true
}

// chosen reports what is missing, or waits for the first packets.
func (r *Recording) chosen(s state) error {
	if s.newest == nil && s.err != nil {
		return s.err
	}
	any := false
	for k := range kinds {
		any = any || r.tracks[k] != nil
		has := s.newest != nil && len(renditions(s.newest, k)) > 0
		if r.choice.wants(k) && r.tracks[k] == nil && (has || r.choice.named(k) != "") {
			return r.choice.refuse(r.path, s.newest, k)
		}
	}
	if !any {
		k := video
		if r.choice.NoVideo {
			k = audio
		}
		return r.choice.refuse(r.path, s.newest, k)
	}
	return r.await()
}

// await waits for the first packets, and begins.
func (r *Recording) await() error {
	late := time.After(startWithin)
	for _, t := range r.tracks {
		if t == nil {
			continue
		}
		select {
		case <-t.described:
		case <-late:
			late = time.After(0)
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
	}
	for k, t := range r.tracks {
		if t == nil {
			continue
		}
		told := t.description()
		told.ID = len(r.told) + 1
		r.told = append(r.told, told)
		r.mux.add(kind(k), told, t.queue)
	}
	r.mux.ready = r.ready
	return nil
}

// Tracks implements [media.Reader]: the pictures, then the sound. What only
// packets tell of pictures and had not come when Open returned, description and
// size, is missing; the first packet has the description as its Config.
func (r *Recording) Tracks() []media.Track { return r.told }

// ReadPacket implements [media.Reader]. It blocks until there is a packet; tracks
// are interleaved by decoding time, as far as one does not keep the other waiting
// for more than two seconds.
//
// The error is [io.EOF] when the broadcast has ended: all tracks, and the catalog,
// which might name them again, or MaxLatency has passed since. Any other is that with which the session or a track
// broke off, the cause of ctx's end, or [api.ErrClosed]; what had come before is
// returned first, but for the last two.
func (r *Recording) ReadPacket(p *media.Packet) error {
	err := r.mux.read(r.ctx, p)
	if errors.Is(err, io.EOF) {
		if s := r.catalog.state(); s.ended && s.err != nil {
			return s.err
		}
	}
	return err
}

// Gaps returns what was found to be missing since the last call, in order. Of
// each track, mostly the newest 4,096 are kept. It never blocks, and any
// goroutine may call it.
func (r *Recording) Gaps() []Gap { return r.mux.gaps.take() }

// Close ends the recording: a blocked ReadPacket, and all later ones, return
// [api.ErrClosed]. When it returns, nothing of the recording runs any more. The
// session stays as it is. It may be called by any goroutine.
func (r *Recording) Close() error {
	r.cancel(api.ErrClosed)
	r.tasks.Wait()
	r.idle.stop()
	return nil
}
