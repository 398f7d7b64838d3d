package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// A lifetime is all that runs for a relay until its end: sessions whose
// announcements are followed, tracks that are filled, and requests that are
// answered. The zero value is ready to use.
type lifetime struct {
	mu      sync.Mutex
	ctx     context.Context // made when it is first needed
	cancel  context.CancelFunc
	ended   bool
	running sync.WaitGroup // Add only before the end
	tracks  map[*live.Track]struct{}
	readers int           // subscriptions and fetches being served
	left    chan struct{} // closed when there is no reader; nil while nobody waits
}

// context returns a context that ends with the lifetime.
func (l *lifetime) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.initOnce()
	return l.ctx
}

func (l *lifetime) initOnce() {
	if l.ctx == nil {
		l.ctx, l.cancel = context.WithCancel(context.Background())
	}
}

// withContext returns a context that ends with ctx or with the lifetime. The
// returned function frees it.
func (l *lifetime) withContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.context(), func() { cancel(errGoingAway) })
	return ctx, func() { stop(); cancel(nil) }
}

// register registers something that runs until unregister is called. It reports
// false after the end.
func (l *lifetime) register() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.running.Add(1)
	return true
}

func (l *lifetime) unregister() { l.running.Done() }

// spawnFiller runs f, which fills a track, in a goroutine. It reports false
// after the end.
func (l *lifetime) spawnFiller(track *live.Track, f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	if l.tracks == nil {
		l.tracks = make(map[*live.Track]struct{})
	}
	l.tracks[track] = struct{}{}
	l.running.Go(func() {
		f()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.tracks, track)
	})
	return true
}

// registerReader is register for a subscription or a fetch; unregisterReader
// takes the place of unregister.
func (l *lifetime) registerReader() bool {
	if !l.register() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers++
	return true
}

func (l *lifetime) unregisterReader() {
	l.mu.Lock()
	l.readers--
	if l.readers == 0 && l.left != nil {
		close(l.left)
		l.left = nil
	}
	l.mu.Unlock()
	l.unregister()
}

// awaitReaders waits until there is no reader.
func (l *lifetime) awaitReaders(ctx context.Context) error {
	l.mu.Lock()
	if l.readers == 0 {
		l.mu.Unlock()
		return nil
	}
	l.initOnce()
	if l.left == nil {
		l.left = make(chan struct{})
	}
	left := l.left
	l.mu.Unlock()
	select {
	case <-left:
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.ended {
			return nil
		}
		return fmt.Errorf("shutdown: %w", api.ErrClosed)
	case <-l.ctx.Done():
		return fmt.Errorf("shutdown: %w", api.ErrClosed)
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		return fmt.Errorf("shutdown: %w: cut %d subscriptions and fetches", context.Cause(ctx), l.readers)
	}
}

// awaitQuiet waits until there has been no reader for quietFor, or the lifetime has ended.
func (l *lifetime) awaitQuiet(ctx context.Context) error {
	for {
		if err := l.awaitReaders(ctx); err != nil {
			return err
		}
		timer := time.NewTimer(quietFor)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-l.context().Done():
		}
		timer.Stop()
		l.mu.Lock()
		quiet := l.readers == 0
		l.mu.Unlock()
		if quiet {
			return nil
		}
	}
}

// endAll ends the lifetime and all tracks, and waits for what runs.
func (l *lifetime) endAll() {
	l.mu.Lock()
	l.initOnce()
	l.ended = true
	tracks := make([]*live.Track, 0, len(l.tracks))
	for track := range l.tracks {
		tracks = append(tracks, track)
	}
	l.mu.Unlock()
	for _, track := range tracks {
		_ = track.CloseWithError(api.StreamGoingAway)
	}
	// After that, since without a route tracks would end as not found.
	l.cancel()
	l.running.Wait()
}

// Close ends the relay at once. It resets its tracks with
// [api.StreamGoingAway], and withdraws what it has announced; Handler returns.
// When Close has returned, nothing runs for the relay: it serves nothing and
// sends no requests. The sessions are not closed, and what the program has
// published in Mux stays. Further calls do nothing. The error is nil.
func (r *Relay) Close() error {
	r.life.endAll()
	r.mu.Lock()
	defer r.mu.Unlock()
	for path, p := range r.places {
		p.endLoopWait()
		p.withdrawPublished()
		delete(r.places, path)
	}
	return nil
}

// Shutdown waits until nobody has read from the relay for a tenth of a second,
// and then closes it. It runs beside the Shutdown of the server, with the same ctx:
//
//	go relay.Shutdown(ctx)
//	err := server.Shutdown(ctx)
//
// The server accepts no new session and asks the clients of all others to
// leave, by GOAWAY. Viewers that do so subscribe elsewhere first. The tracks of
// those that stay are cut off two seconds before the deadline of ctx, or after
// half of the time if that is less, so that their sessions end in order before
// the server closes them; the error then wraps [context.DeadlineExceeded]. If
// ctx ends sooner otherwise, they are cut off at once, and the error wraps its
// cause. Without a deadline Shutdown waits for as long as they stay.
// A client that has dialled sessions for the relay is shut down beside it too:
// the other ends of those sessions are readers as well.
//
// After Close it returns nil at once. If Close is called while somebody reads, it
// returns [api.ErrClosed].
func (r *Relay) Shutdown(ctx context.Context) error {
	if end, ok := ctx.Deadline(); ok {
		early, cancel := context.WithDeadline(ctx, end.Add(-min(cutBefore, time.Until(end)/2)))
		defer cancel()
		ctx = early
	}
	err := r.life.awaitQuiet(ctx)
	_ = r.Close()
	return err
}

// quietFor is how long Shutdown goes on without a reader, so that the server's GOAWAY is
// under way before anything is withdrawn, and requests that came before are served.
const quietFor = 100 * time.Millisecond

// cutBefore is how long before its deadline Shutdown cuts off the remaining readers. In
// that time their peers answer the ends of the tracks, which the server waits for.
const cutBefore = 2 * time.Second

// ServeTrack implements [api.TrackHandler].
func (b *broadcast) ServeTrack(w api.TrackWriter) {
	if !b.relay.life.registerReader() {
		_ = w.CloseWithError(api.StreamGoingAway)
		return
	}
	defer b.relay.life.unregisterReader()
	b.Broadcast.ServeTrack(w)
}

// TrackInfo implements [api.InfoHandler].
func (b *broadcast) TrackInfo(ctx context.Context, req api.TrackRequest) (api.TrackInfo, error) {
	if !b.relay.life.register() {
		return api.TrackInfo{}, errGoingAway
	}
	defer b.relay.life.unregister()
	ctx, free := b.relay.life.withContext(ctx)
	defer free()
	return b.Broadcast.TrackInfo(ctx, req)
}

// ServeFetch implements [api.FetchHandler].
func (b *broadcast) ServeFetch(w api.GroupWriter, req api.FetchRequest) {
	if !b.relay.life.registerReader() {
		w.Cancel(api.StreamGoingAway)
		return
	}
	defer b.relay.life.unregisterReader()
	stop := context.AfterFunc(b.relay.life.context(), func() { w.Cancel(api.StreamGoingAway) })
	defer stop()
	b.Broadcast.ServeFetch(w, req)
}

var errGoingAway = &api.StreamError{Code: api.StreamGoingAway}
