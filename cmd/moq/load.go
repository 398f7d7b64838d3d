package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
)

const (
	// atOnce is how many sessions are set up in parallel.
	atOnce = 16

	// silence is how long nothing may arrive, after all was sent, before the
	// rest is counted as lost.
	silence = 5 * time.Second
)

// A load sends tracks through a server and measures what arrives. Each
// broadcast is published over a session of its own. Each subscribing session
// reads all tracks of all broadcasts.
type load struct {
	shape
	o         *options
	url       string
	newClient func() (*impl.Client, error)
	prefix    string
	paths     []api.BroadcastPath
	sessions  int // subscribing sessions
	tracks    int // per broadcast

	epoch    time.Time
	begin    chan struct{} // closed when all subscriptions receive
	awaited  atomic.Int64  // subscriptions that have not received anything
	feeds    map[place]*feed
	got      counters // measured frames and whole groups that were received
	lost     atomic.Int64
	latency  histogram
	setUp    sync.Mutex
	state    api.SessionState
	clients  []*impl.Client
	readers  []*listener
	failures failures

	begun time.Time     // when measuring began
	took  time.Duration // until the last measured frame arrived
	last  sample        // at the last report
}

// A place identifies a track.
type place struct {
	path api.BroadcastPath
	name api.TrackName
}

// failures are the errors of a run: the first, and how many.
type failures struct {
	mu    sync.Mutex
	first error
	count int
	any   chan struct{} // closed by the first
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count++; f.first == nil {
		f.first = err
		close(f.any)
	}
}

func (f *failures) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count > 1 {
		return fmt.Errorf("%w (and %d more failures)", f.first, f.count-1)
	}
	return f.first
}

// subscriptions returns the number of subscriptions.
func (l *load) subscriptions() int { return l.sessions * len(l.paths) * l.tracks }

// run sends and reads the whole load. Ctrl-C ends the sending; what was sent
// is still read.
func (l *load) run(ctx context.Context, bar *progress) error {
	l.epoch, l.begin, l.feeds = time.Now(), make(chan struct{}), make(map[place]*feed)
	l.failures.any = make(chan struct{})
	l.awaited.Store(int64(l.subscriptions()))
	life, end := context.WithCancel(context.Background())
	var feeding, reading sync.WaitGroup
	defer func() {
		end()
		l.close()
		feeding.Wait()
		reading.Wait()
	}()
	l.makeFeeds(ctx, life)
	for _, f := range l.feeds {
		feeding.Go(f.run)
	}
	if err := l.connect(ctx, life); err != nil {
		return err
	}
	for _, r := range l.readers {
		reading.Go(func() { r.read(life) })
	}
	if err := l.awaitAll(ctx); err != nil {
		return err
	}
	close(l.begin)
	bar.start()
	defer bar.finish()
	feeding.Wait()
	l.drain(&reading)
	return l.failures.err()
}

func (l *load) makeFeeds(ctx, life context.Context) {
	for _, path := range l.paths {
		for i := range l.tracks {
			at := place{path, api.TrackName(fmt.Sprintf("track%d", i))}
			l.feeds[at] = newFeed(ctx, life, l.shape, l.sessions, l.epoch, l.begin)
		}
	}
}

// connect starts all publishers and then all subscriptions.
func (l *load) connect(ctx, life context.Context) error {
	err := parallel(len(l.paths), func(i int) error { return l.publish(ctx, life, l.paths[i]) })
	if err != nil {
		return err
	}
	return parallel(l.sessions, func(int) error { return l.subscribe(ctx) })
}

// parallel calls f for 0 to n-1, atOnce at a time, until one call fails.
func parallel(n int, f func(i int) error) error {
	var working sync.WaitGroup
	var failed failures
	failed.any = make(chan struct{})
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		if failed.err() != nil {
			break
		}
		working.Go(func() {
			defer func() { <-slots }()
			if err := f(i); err != nil {
				failed.add(err)
			}
		})
	}
	working.Wait()
	return failed.first
}

func (l *load) dial(ctx context.Context, mux *api.TrackMux) (api.Session, error) {
	client, err := l.newClient()
	if err != nil {
		return nil, err
	}
	l.setUp.Lock()
	l.clients = append(l.clients, client)
	l.setUp.Unlock()
	return l.o.dial(ctx, client, l.url, mux)
}

func (l *load) publish(ctx, life context.Context, path api.BroadcastPath) error {
	mux := api.NewTrackMux()
	var sent counters
	serve := func(w api.TrackWriter) {
		if f := l.feeds[place{path, w.Request().Name}]; f == nil || f.serve(w, &sent) != nil {
			_ = w.CloseWithError(api.StreamInternal)
		}
	}
	info := func(_ context.Context, req api.TrackRequest) (api.TrackInfo, error) {
		if l.feeds[place{path, req.Name}] == nil {
			return api.TrackInfo{}, api.ErrNotFound
		}
		return api.TrackInfo{MaxLatency: declaredMaxAge}, nil
	}
	if err := mux.Publish(life, path, api.TrackFuncs{Serve: serve, Info: info}); err != nil {
		return err
	}
	session, err := l.dial(ctx, mux)
	if err != nil {
		return err
	}
	context.AfterFunc(session.Context(), func() {
		if life.Err() == nil {
			l.failures.add(fmt.Errorf("publisher of %s: %w", path, context.Cause(session.Context())))
		}
	})
	return nil
}

func (l *load) subscribe(ctx context.Context) error {
	session, err := l.dial(ctx, api.NewTrackMux())
	if err != nil {
		return err
	}
	if err := l.awaitBroadcasts(ctx, session); err != nil {
		return err
	}
	for at, f := range l.feeds {
		track, err := l.open(ctx, session, at)
		if err != nil {
			return err
		}
		l.setUp.Lock()
		l.state = session.State()
		l.readers = append(l.readers, &listener{load: l, at: at, feed: f, track: track})
		l.setUp.Unlock()
	}
	return nil
}

// awaitBroadcasts waits until each broadcast is announced by its own path; an
// announced prefix of it does not count.
func (l *load) awaitBroadcasts(ctx context.Context, session api.Session) error {
	missing := make(map[api.BroadcastPath]bool)
	for _, path := range l.paths {
		missing[path] = true
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.o.timeout, errTimeout{l.o, fmt.Sprintf("nobody has announced %q", l.prefix)})
	defer cancel()
	announced, err := session.Announcements(ctx, l.prefix)
	if err != nil {
		return err
	}
	defer announced.Close()
	for a, err := range api.Announcements(ctx, announced) {
		if err != nil {
			return err
		}
		if a.Status == api.AnnouncementActive {
			delete(missing, a.Path)
		}
		if len(missing) == 0 {
			return nil
		}
	}
	return fmt.Errorf("the server ended its announcements before %q was one of them", l.prefix)
}

// open subscribes to a feed.
func (l *load) open(ctx context.Context, session api.Session, at place) (api.TrackReader, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.o.timeout, errTimeout{l.o, "no answer to the subscription"})
	defer cancel()
	return session.Subscribe(ctx, at.path, at.name, &api.SubscribeConfig{MaxLatency: askedMaxAge})
}

// awaitAll waits until every subscription has received something.
func (l *load) awaitAll(ctx context.Context) error {
	timeout := time.NewTimer(l.o.timeout)
	defer timeout.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for l.awaited.Load() > 0 {
		select {
		case <-tick.C:
		case <-l.failures.any:
			return l.failures.err()
		case <-timeout.C:
			return errTimeout{l.o, fmt.Sprintf("%d of %d subscriptions received nothing", l.awaited.Load(), l.subscriptions())}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	l.begun = time.Now()
	l.last.latency = new(distribution)
	return nil
}

// drain waits until everything that was sent has been read, every track has
// ended, or nothing has arrived for a while.
func (l *load) drain(reading *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() { reading.Wait(); close(ended) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	got, since := int64(-1), time.Now()
	for over := false; !over; {
		select {
		case <-tick.C:
			over = l.whole() || time.Since(since) >= silence
		case <-ended:
			over = true
		}
		if now := l.got.frames.Load(); now != got {
			got, since = now, time.Now()
		}
	}
	l.took = since.Sub(l.begun)
}

// expected returns how many measured frames and groups all subscriptions
// together should receive.
func (l *load) expected() (frames, groups int64) {
	for _, f := range l.feeds {
		frames += f.frames.Load() * int64(l.sessions)
		groups += f.groups() * int64(l.sessions)
	}
	return frames, groups
}

func (l *load) whole() bool {
	frames, groups := l.expected()
	return l.got.frames.Load() == frames && l.got.groups.Load() == groups
}

// close ends all sessions.
func (l *load) close() {
	var closing sync.WaitGroup
	for _, c := range l.clients {
		closing.Go(func() { c.Close() })
	}
	closing.Wait()
}

// A listener reads one subscription.
type listener struct {
	*load
	at    place
	feed  *feed
	track api.TrackReader
	heard atomic.Bool
}

func (r *listener) read(ctx context.Context) {
	var reading sync.WaitGroup
	defer reading.Wait()
	for g, err := range api.Groups(ctx, r.track) {
		if err != nil {
			if ctx.Err() == nil {
				r.failures.add(fmt.Errorf("%s of %s: %w", r.at.name, r.at.path, err))
			}
			return
		}
		reading.Go(func() { r.group(ctx, g) })
	}
}

func (r *listener) group(ctx context.Context, g api.GroupReader) {
	for f, err := range api.Frames(ctx, g, nil) {
		if err != nil {
			r.lost.Add(1)
			return
		}
		if !r.heard.Swap(true) {
			r.awaited.Add(-1)
		}
		if sent, ok := sentAt(r.epoch, f.Payload); ok && r.measured(g) {
			r.latency.add(time.Since(sent))
			r.got.frame(len(f.Payload))
			r.feed.received.Add(1)
		}
	}
	if r.measured(g) {
		r.got.groups.Add(1)
	}
}

func (r *listener) measured(g api.GroupReader) bool {
	return uint64(g.Sequence()) >= r.feed.first.Load()
}

// gaps returns the number of groups that are known to be lost. It is at most
// the number of missing groups: a reader that has many gaps reports them as
// one.
func (l *load) gaps() int64 {
	for _, r := range l.readers {
		first := r.feed.first.Load()
		for _, g := range r.track.Gaps() {
			l.lost.Add(int64(uint64(g.End) - min(max(uint64(g.Start), first), uint64(g.End))))
		}
	}
	_, groups := l.expected()
	return min(l.lost.Load(), groups-l.got.groups.Load())
}
