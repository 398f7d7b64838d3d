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
	// maxParallel is how many sessions are set up in parallel.
	maxParallel = 16

	// silenceTimeout is how long nothing may arrive, after all was sent, before
	// the rest is counted as lost.
	silenceTimeout = 5 * time.Second
)

// A loadTest sends tracks through a server and measures what arrives. Each
// broadcast is published over a session of its own. Each subscribing session
// reads all tracks of all broadcasts.
//
// All sessions use the clock of this process, so latency needs no synchronised
// clocks. Warm-up groups are sent until every subscription has received one;
// only those after that are measured, so setting up costs nothing in the
// result. mu guards what is collected while sessions are set up in parallel;
// after that these fields only change in runLoad.
type loadTest struct {
	shape
	o         *options
	url       string
	newClient func() (*impl.Client, error)
	prefix    string
	paths     []api.BroadcastPath
	sessions  int // subscribing sessions
	tracks    int // per broadcast

	epoch         time.Time
	start         chan struct{} // closed when all subscriptions receive
	awaitingFirst atomic.Int64  // subscriptions that have not received anything
	generators    map[trackID]*generator
	received      counters // measured frames and whole groups that were received
	lost          atomic.Int64
	latency       histogram
	mu            sync.Mutex
	state         api.SessionState
	clients       []*impl.Client
	readers       []*loadReader
	failures      failureLog

	startedAt time.Time     // when measuring began
	took      time.Duration // until the last measured frame arrived
	last      sample        // at the last report
}

// A trackID identifies a track.
type trackID struct {
	path api.BroadcastPath
	name api.TrackName
}

// A failureLog has the errors of a run: the first, and how many.
type failureLog struct {
	mu     sync.Mutex
	first  error
	count  int
	failed chan struct{} // closed by the first
}

// addError counts an error. The first one also wakes those who wait for failed.
func (f *failureLog) addError(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count++; f.first == nil {
		f.first = err
		close(f.failed)
	}
}

// firstError returns the first error, with the number of the others; nil if
// there is none.
func (f *failureLog) firstError() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count > 1 {
		return fmt.Errorf("%w (and %d more failures)", f.first, f.count-1)
	}
	return f.first
}

// subscriptions returns the number of subscriptions.
func (l *loadTest) subscriptions() int { return l.sessions * len(l.paths) * l.tracks }

// runLoad sends and reads everything. Ctrl-C ends the sending; what was sent
// is still read.
func (l *loadTest) runLoad(ctx context.Context, bar *progress) error {
	l.epoch, l.start, l.generators = time.Now(), make(chan struct{}), make(map[trackID]*generator)
	l.failures.failed = make(chan struct{})
	l.awaitingFirst.Store(int64(l.subscriptions()))
	// ctx ends the sending, life everything: readers go on until what was sent
	// has arrived.
	life, end := context.WithCancel(context.Background())
	var feeding, reading sync.WaitGroup
	defer func() {
		end()
		l.closeClients()
		feeding.Wait()
		reading.Wait()
	}()
	l.makeGenerators(ctx, life)
	for _, f := range l.generators {
		feeding.Go(f.produceAll)
	}
	if err := l.connect(ctx, life); err != nil {
		return err
	}
	for _, r := range l.readers {
		reading.Go(func() { r.readTrack(life) })
	}
	if err := l.awaitAll(ctx); err != nil {
		return err
	}
	close(l.start)
	bar.start()
	defer bar.stopReports()
	feeding.Wait()
	l.awaitRest(&reading)
	return l.failures.firstError()
}

// makeGenerators makes the generator of each track. They are started later,
// when the maps that they are found in change no more.
func (l *loadTest) makeGenerators(ctx, life context.Context) {
	for _, path := range l.paths {
		for i := range l.tracks {
			at := trackID{path, api.TrackName(fmt.Sprintf("track%d", i))}
			l.generators[at] = newGenerator(ctx, life, l.shape, l.sessions, l.epoch, l.start)
		}
	}
}

// connect starts all publishers and then all subscriptions.
func (l *loadTest) connect(ctx, life context.Context) error {
	err := parallel(len(l.paths), func(i int) error { return l.publish(ctx, life, l.paths[i]) })
	if err != nil {
		return err
	}
	return parallel(l.sessions, func(int) error { return l.subscribe(ctx) })
}

// parallel calls f for 0 to n-1, maxParallel at a time, until one call fails.
func parallel(n int, f func(i int) error) error {
	var working sync.WaitGroup
	var failed failureLog
	failed.failed = make(chan struct{})
	// All at once, the handshakes would time out on a small machine.
	slots := make(chan struct{}, maxParallel)
	for i := range n {
		slots <- struct{}{}
		if failed.firstError() != nil {
			break
		}
		working.Go(func() {
			defer func() { <-slots }()
			if err := f(i); err != nil {
				failed.addError(err)
			}
		})
	}
	working.Wait()
	return failed.first
}

// dialNew connects with a client of its own, so that sessions share no socket,
// as those of different users.
func (l *loadTest) dialNew(ctx context.Context, mux *api.TrackMux) (api.Session, error) {
	client, err := l.newClient()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.clients = append(l.clients, client)
	l.mu.Unlock()
	return l.o.dial(ctx, client, l.url, mux)
}

// publish publishes one broadcast over a session of its own, until life ends. A
// session that is lost before ends the test: its frames would count as lost by
// the relay.
func (l *loadTest) publish(ctx, life context.Context, path api.BroadcastPath) error {
	mux := api.NewTrackMux()
	var sent counters
	serve := func(w api.TrackWriter) {
		if f := l.generators[trackID{path, w.Request().Name}]; f == nil || f.serve(w, &sent) != nil {
			_ = w.CloseWithError(api.StreamInternal)
		}
	}
	info := func(_ context.Context, req api.TrackRequest) (api.TrackInfo, error) {
		if l.generators[trackID{path, req.Name}] == nil {
			return api.TrackInfo{}, api.ErrNotFound
		}
		// Old groups should arrive late, and count in the latency, rather than
		// be dropped.
		return api.TrackInfo{MaxLatency: declaredMaxAge}, nil
	}
	if err := mux.Publish(life, path, api.TrackFuncs{Serve: serve, Info: info}); err != nil {
		return err
	}
	session, err := l.dialNew(ctx, mux)
	if err != nil {
		return err
	}
	context.AfterFunc(session.Context(), func() {
		if life.Err() == nil {
			l.failures.addError(fmt.Errorf("publisher of %s: %w", path, context.Cause(session.Context())))
		}
	})
	return nil
}

// subscribe opens all subscriptions of one session. Nothing is read yet:
// reading begins when all sessions are there.
func (l *loadTest) subscribe(ctx context.Context) error {
	session, err := l.dialNew(ctx, api.NewTrackMux())
	if err != nil {
		return err
	}
	if err := l.awaitBroadcasts(ctx, session); err != nil {
		return err
	}
	for at, f := range l.generators {
		track, err := l.subscribeTrack(ctx, session, at)
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.state = session.State()
		l.readers = append(l.readers, &loadReader{loadTest: l, at: at, generator: f, track: track})
		l.mu.Unlock()
	}
	return nil
}

// awaitBroadcasts waits until each broadcast is announced by its own path; an
// announced prefix of it does not count.
func (l *loadTest) awaitBroadcasts(ctx context.Context, session api.Session) error {
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

// subscribeTrack subscribes to one of the tracks.
func (l *loadTest) subscribeTrack(ctx context.Context, session api.Session, at trackID) (api.TrackReader, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.o.timeout, errTimeout{l.o, "no answer to the subscription"})
	defer cancel()
	return session.Subscribe(ctx, at.path, at.name, &api.SubscribeConfig{MaxLatency: askedMaxAge})
}

// awaitAll waits until every subscription has received something.
func (l *loadTest) awaitAll(ctx context.Context) error {
	timeout := time.NewTimer(l.o.timeout)
	defer timeout.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for l.awaitingFirst.Load() > 0 {
		select {
		case <-tick.C:
		case <-l.failures.failed:
			return l.failures.firstError()
		case <-timeout.C:
			return errTimeout{l.o, fmt.Sprintf("%d of %d subscriptions received nothing", l.awaitingFirst.Load(), l.subscriptions())}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	l.startedAt = time.Now()
	l.last.latency = new(distribution)
	return nil
}

// awaitRest waits until everything that was sent has been read, every track has
// ended, or nothing has arrived for a while.
func (l *loadTest) awaitRest(reading *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() { reading.Wait(); close(ended) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	// since is when the last frame arrived: the test has taken until then.
	got, since := int64(-1), time.Now()
	for over := false; !over; {
		select {
		case <-tick.C:
			over = l.isComplete() || time.Since(since) >= silenceTimeout
		case <-ended:
			over = true
		}
		if now := l.received.frames.Load(); now != got {
			got, since = now, time.Now()
		}
	}
	l.took = since.Sub(l.startedAt)
}

// expectedTotals returns how many measured frames and groups all subscriptions
// together should receive.
func (l *loadTest) expectedTotals() (frames, groups int64) {
	for _, f := range l.generators {
		frames += f.frames.Load() * int64(l.sessions)
		groups += f.groups() * int64(l.sessions)
	}
	return frames, groups
}

// isComplete tells whether all that was sent has arrived. It is final only once
// the generators have ended.
func (l *loadTest) isComplete() bool {
	frames, groups := l.expectedTotals()
	return l.received.frames.Load() == frames && l.received.groups.Load() == groups
}

// closeClients ends all sessions.
func (l *loadTest) closeClients() {
	var closing sync.WaitGroup
	for _, c := range l.clients {
		closing.Go(func() { c.Close() })
	}
	closing.Wait()
}

// A loadReader reads one subscription.
type loadReader struct {
	*loadTest
	at        trackID
	generator *generator
	track     api.TrackReader
	gotFirst  atomic.Bool
}

// readTrack reads groups until the track or the test ends, each in a goroutine,
// since they may arrive in parallel.
func (r *loadReader) readTrack(ctx context.Context) {
	var reading sync.WaitGroup
	defer reading.Wait()
	for g, err := range api.Groups(ctx, r.track) {
		if err != nil {
			if ctx.Err() == nil {
				r.failures.addError(fmt.Errorf("%s of %s: %w", r.at.name, r.at.path, err))
			}
			return
		}
		reading.Go(func() { r.readGroup(ctx, g) })
	}
}

// readGroup reads one group and counts it. The first frame of any group shows
// that the subscription works.
func (r *loadReader) readGroup(ctx context.Context, g api.GroupReader) {
	for f, err := range api.Frames(ctx, g, nil) {
		if err != nil {
			r.lost.Add(1)
			return
		}
		if !r.gotFirst.Swap(true) {
			r.awaitingFirst.Add(-1)
		}
		if sent, ok := sentAt(r.epoch, f.Payload); ok && r.isMeasured(g) {
			r.latency.addSample(time.Since(sent))
			r.received.frame(len(f.Payload))
			r.generator.received.Add(1)
		}
	}
	if r.isMeasured(g) {
		r.received.groups.Add(1)
	}
}

// isMeasured tells whether a group was sent after the warm-up.
func (r *loadReader) isMeasured(g api.GroupReader) bool {
	return uint64(g.Sequence()) >= r.generator.firstMeasured.Load()
}

// countLost returns the number of groups that are known to be lost. It is at most
// the number of missing groups: a reader that has many gaps reports them as
// one.
func (l *loadTest) countLost() int64 {
	for _, r := range l.readers {
		first := r.generator.firstMeasured.Load()
		for _, g := range r.track.Gaps() {
			l.lost.Add(int64(uint64(g.End) - min(max(uint64(g.Start), first), uint64(g.End))))
		}
	}
	_, groups := l.expectedTotals()
	return min(l.lost.Load(), groups-l.received.groups.Load())
}
