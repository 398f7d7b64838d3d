package relay

import (
	"context"
	"fmt"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// A life is what runs for a relay until its end: sessions that are listened to,
// tracks that are filled, and requests that are answered. The zero value has
// begun.
type life struct {
	mu      sync.Mutex
	ctx     context.Context // nil before it is asked for
	cancel  context.CancelFunc
	ended   bool
	running sync.WaitGroup // Add only before the end
	tracks  map[*live.Track]struct{}
	readers int           // subscriptions and fetches that are served
	left    chan struct{} // closed when there is no reader; nil while nobody waits
}

// context ends with the life.
func (l *life) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.init()
	return l.ctx
}

func (l *life) init() {
	if l.ctx == nil {
		l.ctx, l.cancel = context.WithCancel(context.Background())
	}
}

// within is ctx, until the life ends. The returned function frees it.
func (l *life) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.context(), func() { cancel(errGoingAway) })
	return ctx, func() { stop(); cancel(nil) }
}

// enter notes that something runs until leave is called. It reports false after
// the end.
func (l *life) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.running.Add(1)
	return true
}

func (l *life) leave() { l.running.Done() }

// fill runs f, which fills a track, in a goroutine. It reports false after the
// end.
func (l *life) fill(track *live.Track, f func()) bool {
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

// read is enter for a subscription or a fetch, which ends with unread.
func (l *life) read() bool {
	if !l.enter() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers++
	return true
}

func (l *life) unread() {
	l.mu.Lock()
	l.readers--
	if l.readers == 0 && l.left != nil {
		close(l.left)
		l.left = nil
	}
	l.mu.Unlock()
	l.leave()
}

// awaitReaders waits until there is no reader.
func (l *life) awaitReaders(ctx context.Context) error {
	l.mu.Lock()
	if l.readers == 0 {
		l.mu.Unlock()
		return nil
	}
	l.init()
	if l.left == nil {
		l.left = make(chan struct{})
	}
	left := l.left
	l.mu.Unlock()
	select {
	case <-left:
		return nil
	case <-l.ctx.Done():
		return fmt.Errorf("shutdown: %w", api.ErrClosed)
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		return fmt.Errorf("shutdown: %w: cut %d subscriptions and fetches", context.Cause(ctx), l.readers)
	}
}

// end ends the life, with all tracks, and waits for what runs.
func (l *life) end() {
	l.mu.Lock()
	l.init()
	l.ended = true
	l.cancel()
	tracks := make([]*live.Track, 0, len(l.tracks))
	for track := range l.tracks {
		tracks = append(tracks, track)
	}
	l.mu.Unlock()
	for _, track := range tracks {
		_ = track.CloseWithError(api.StreamGoingAway)
	}
	l.running.Wait()
}

// Close ends the relay at once. Its tracks are reset as going away, what it has
// announced is withdrawn, and Handler returns. When Close does, nothing runs any
// more for the relay: it answers nothing, and no session is asked for anything.
// The sessions are not the relay's, and stand; what the program has published in
// Mux stays. Called again, it does nothing more. The error is nil.
func (r *Relay) Close() error {
	r.life.end()
	r.mu.Lock()
	defer r.mu.Unlock()
	for path, p := range r.places {
		p.endDoubt()
		p.end()
		delete(r.places, path)
	}
	return nil
}

// Shutdown waits until nobody reads from the relay any more, and then closes it.
// When ctx ends first, the readers that are left are cut, and the error has the
// cause of ctx.
//
// It is for a server that shuts down at the same time, which takes no new session
// and asks the peers of all others to leave, by GOAWAY. Viewers that heed it
// subscribe elsewhere, and the server cannot end before the others are cut: give
// the relay less time than the server.
//
//	go server.Shutdown(tenSeconds)
//	r.Shutdown(eightSeconds)
//
// After Close it returns nil at once; when Close comes meanwhile, [api.ErrClosed].
func (r *Relay) Shutdown(ctx context.Context) error {
	err := r.life.awaitReaders(ctx)
	_ = r.Close()
	return err
}

// ServeTrack implements [api.TrackHandler].
func (b *broadcast) ServeTrack(w api.TrackWriter) {
	if !b.relay.life.read() {
		_ = w.CloseWithError(api.StreamGoingAway)
		return
	}
	defer b.relay.life.unread()
	b.Broadcast.ServeTrack(w)
}

// TrackInfo implements [api.InfoHandler].
func (b *broadcast) TrackInfo(ctx context.Context, req api.TrackRequest) (api.TrackInfo, error) {
	if !b.relay.life.enter() {
		return api.TrackInfo{}, errGoingAway
	}
	defer b.relay.life.leave()
	ctx, free := b.relay.life.within(ctx)
	defer free()
	return b.Broadcast.TrackInfo(ctx, req)
}

// ServeFetch implements [api.FetchHandler].
func (b *broadcast) ServeFetch(w api.GroupWriter, req api.FetchRequest) {
	if !b.relay.life.read() {
		w.Cancel(api.StreamGoingAway)
		return
	}
	defer b.relay.life.unread()
	stop := context.AfterFunc(b.relay.life.context(), func() { w.Cancel(api.StreamGoingAway) })
	defer stop()
	b.Broadcast.ServeFetch(w, req)
}

var errGoingAway = &api.StreamError{Code: api.StreamGoingAway}
