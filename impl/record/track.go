package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// A track reads one rendition after the other, all of a kind and of a family, and
// puts their samples into its queue.
type track struct {
	*shared
	kind  kind
	queue *queue

	mu        sync.Mutex
	tells     media.Track // what it is
	described chan struct{}
	isTold    bool

	// Of its goroutine.
	rendition *rendition
	feed      *feed
	version   int   // of the catalog that rendition is as in
	lost      error // what has not come since the last sample
}

// shared is what the tracks of a recording have in common.
type shared struct {
	session api.Subscriber
	path    api.BroadcastPath
	choice  Choice
	catalog *catalog
	idle    *census
	ready   chan struct{}
}

func newTrack(s *shared, k kind, r *rendition) *track {
	t := &track{shared: s, kind: k, queue: newQueue(s.ready), rendition: r, described: make(chan struct{})}
	t.feed = newFeed(t)
	t.tells = media.Track{Video: r.video, Audio: r.audio}
	return t
}

// run reads until nothing will come any more.
func (t *track) run(ctx context.Context) {
	version := t.catalog.state().version
	failing := time.Time{}
	ended := false // as it should, and nothing has come since
	for {
		came := t.feed.count
		err := t.read(ctx)
		if ctx.Err() != nil {
			t.queue.end(context.Cause(ctx), nil)
			return
		}
		if t.feed.count > came || failing.IsZero() {
			failing, ended = time.Now(), false
		}
		if ended && errors.Is(err, api.ErrNotFound) {
			err = nil // a last catalog had named it
		}
		ended = ended || err == nil
		if err != nil {
			t.lose(err)
		}
		if t.feed.flush(ctx) != nil || !t.again(ctx, &version, err, failing) {
			t.queue.end(err, t.lost)
			return
		}
	}
}

// lose notes what has not come.
func (t *track) lose(err error) {
	if t.lost == nil {
		t.lost = err
	}
}

// again waits until there is something to read again after err, and reports false
// if there will not be. A track that has broken off is asked for again for a
// while; one that has ended when the catalog names it again.
func (t *track) again(ctx context.Context, version *int, err error, failing time.Time) bool {
	const askAgain = 500 * time.Millisecond
	if err != nil && time.Since(failing) < t.choice.MaxLatency && !t.catalog.state().ended {
		select {
		case <-time.After(askAgain):
			return true
		case <-ctx.Done():
			return false
		}
	}
	t.idle.leave()
	defer t.idle.enter()
	for {
		s := t.catalog.state()
		if s.version > *version {
			*version = s.version
			if r := t.successor(s.newest); r != nil {
				t.rendition = r
				return true
			}
		}
		if s.ended {
			return false
		}
		select {
		case <-s.changed:
		case <-t.idle.over:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// successor returns the rendition that goes on with the recording: the one that
// was read, or another of its family that is allowed.
func (t *track) successor(c *media.Catalog) *rendition {
	var other *rendition
	for _, r := range renditions(c, t.kind) {
		if !t.choice.allows(t.kind, r) || r.family() != t.rendition.family() {
			continue
		}
		if r.name == t.rendition.name {
			return r
		}
		if other == nil {
			other = r
		}
	}
	return other
}

// read subscribes to the rendition and reads it to its end, where the error is
// nil.
func (t *track) read(ctx context.Context) error {
	r := t.rendition
	path, err := media.ResolveBroadcast(t.path, r.broadcast())
	if err != nil {
		return err
	}
	if err := t.feed.begin(r); err != nil {
		return fmt.Errorf("record: track %q: %w", string(r.name), err)
	}
	in, err := t.session.Subscribe(ctx, path, r.name, &api.SubscribeConfig{
		Priority:   t.kind.priority(),
		MaxLatency: t.choice.MaxLatency.Round(time.Millisecond),
		StartGroup: api.GroupLatest,
		Resume:     true,
	})
	if err != nil {
		return fmt.Errorf("record: track %q: %w", string(r.name), err)
	}
	defer in.Close()
	stop := context.AfterFunc(ctx, func() { _ = in.Close() })
	defer stop()
	err = t.readGroups(ctx, newGroups(in), func(ctx context.Context, n api.GroupSequence) (api.GroupReader, error) {
		return t.session.Fetch(ctx, api.FetchRequest{Path: path, Name: r.name, Group: n, Priority: t.kind.priority()})
	})
	if err != nil {
		err = fmt.Errorf("record: track %q: %w", string(r.name), err)
	}
	return err
}

// readGroups reads all groups in order.
func (t *track) readGroups(ctx context.Context, in *groups, fetch func(context.Context, api.GroupSequence) (api.GroupReader, error)) error {
	stall := newStall(in, t.choice.MaxLatency)
	defer stall.stop()
	for group, err := range in.ordered(ctx, api.OrderedConfig{Bytes: maxQueued, Patience: t.choice.MaxLatency, Fetch: fetch}) {
		if _, gap := errors.AsType[*api.GapError](err); gap || errors.Is(err, api.ErrRestarted) {
			t.lose(err)
			if !gap {
				t.feed.restart()
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := t.renew(); err != nil {
			return err
		}
		stall.watch(group)
		err = t.readGroup(ctx, group, stall)
		stall.watch(nil)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			t.lose(fmt.Errorf("group %d: %w", group.Sequence(), err))
		}
	}
	return nil
}

// renew takes what the newest catalog says of the rendition: a description that
// has changed holds from the next group on.
func (t *track) renew() error {
	s := t.catalog.state()
	if s.version == t.version {
		return nil
	}
	t.version = s.version
	for _, r := range renditions(s.newest, t.kind) {
		if r.name == t.rendition.name && r.family() == t.rendition.family() && !r.same(t.rendition) {
			t.rendition = r
			return t.feed.change(r)
		}
	}
	return nil
}

// readGroup reads a group to its end, where the error is nil.
func (t *track) readGroup(ctx context.Context, g api.GroupReader, stall *stall) error {
	if err := t.feed.open(ctx, g.Sequence(), g.FirstFrame()); err != nil {
		g.Cancel(api.StreamCancelled)
		return err
	}
	for {
		err := g.ReadFrame(&t.feed.frame)
		if err == io.EOF {
			return nil
		}
		if errors.Is(err, api.ErrClosed) {
			return errStalled // or ctx has ended
		}
		if err != nil {
			return err
		}
		stall.alive()
		if err := t.feed.add(ctx); err != nil {
			g.Cancel(api.StreamCancelled)
			return err
		}
	}
}

// describe tells what the track is; whole says that this is all that will be known.
func (t *track) describe(m media.Track, whole bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tells = m
	if whole && !t.isTold {
		t.isTold = true
		close(t.described)
	}
}

// description returns what the track is, as far as it is known.
func (t *track) description() media.Track {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tells
}

// A census counts the tracks that have something to read, and ends the recording
// when none has for a while.
type census struct {
	wait time.Duration
	over chan struct{} // closed when none has had

	mu     sync.Mutex
	active int
	timer  *time.Timer
}

func newCensus(wait time.Duration) *census { return &census{wait: wait, over: make(chan struct{})} }

func (c *census) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active++
	if c.timer != nil {
		c.timer.Stop()
	}
}

func (c *census) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active--; c.active == 0 {
		c.timer = time.AfterFunc(c.wait, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.active == 0 {
				select {
				case <-c.over:
				default:
					close(c.over)
				}
			}
		})
	}
}

func (c *census) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}
