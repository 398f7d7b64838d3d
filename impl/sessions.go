package impl

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
)

// An identity is the hop id of a client or server in announcements: that of
// its config, or a random one for its lifetime. A client and a server in one
// process have different ids, so that each receives what the other announces;
// a relay that also dials sets the same id for both.
type identity struct {
	once   sync.Once
	random api.Hop
}

func (id *identity) hop(c *api.Config) api.Hop {
	if c != nil && c.Hop != 0 {
		return c.Hop
	}
	// Below 2^53, so that every peer can represent it.
	id.once.Do(func() { id.random = randomHop() })
	return id.random
}

// sessionHop returns the hop id for a new session of a client.
func (id *identity) sessionHop(c *api.Config) api.Hop {
	if c != nil && c.HopPerSession {
		return randomHop()
	}
	return id.hop(c)
}

// randomHop returns a hop id below 2^53, and not 0.
func randomHop() api.Hop { return api.Hop(rand.Uint64N(1<<53-1) + 1) }

// A sessionSet value holds the sessions of one client or server, and counts
// those that are being opened. The zero value is ready to use.
type sessionSet struct {
	mu            sync.Mutex
	closed        chan struct{}               // closed when Close is called
	over          bool                        // everything is closed, or being closed
	draining      bool                        // Shutdown or Close was called
	stop          chan struct{}               // closed when draining begins
	opening       sync.WaitGroup              // sessions between begin and its end
	live          map[*session.Session]func() // what is called when it is gone, or nil
	removeSession func(*session.Session)      // removes a session from live
	ended         counts                      // of sessions that are not live any more
	endings       endings                     // of grants
	opened        uint64                      // sessions that were admitted
	refused       uint64                      // and those that were not
	done          chan struct{}               // closed when Close has finished
	err           error                       // of release; valid once done is closed
}

func (l *sessionSet) initOnce() {
	if l.stop == nil {
		l.stop = make(chan struct{})
		l.closed = make(chan struct{})
		l.done = make(chan struct{})
		l.live = make(map[*session.Session]func())
		l.removeSession = func(s *session.Session) {
			stats := s.Stats()
			l.mu.Lock()
			gone := l.live[s]
			delete(l.live, s)
			l.ended.add(&stats)
			l.mu.Unlock()
			if gone != nil {
				gone()
			}
		}
	}
}

// beginOpening counts a session that is being opened. The returned context ends
// with ctx, or with cause over when no more sessions may be opened. The caller
// must call end when the session is open or has failed. begin reports false
// when no more sessions may be opened.
func (l *sessionSet) beginOpening(ctx context.Context, over error) (_ context.Context, end func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.initOnce()
	if l.draining {
		return nil, nil, false
	}
	l.opening.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	go func() {
		select {
		case <-l.stop:
			cancel(over)
		case <-stopped:
		}
	}()
	return ctx, func() { close(stopped); cancel(nil); l.opening.Done() }, true
}

// addSession registers a session until it has ended, and then calls gone, if that is
// not nil. It reports false when no more sessions may be opened; the caller must then
// terminate the session, and gone is not called.
func (l *sessionSet) addSession(s *session.Session, gone func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.initOnce()
	if l.draining {
		return false
	}
	l.live[s] = gone
	s.WhenGone(l.removeSession)
	return true
}

// drainingStarted returns a channel that is closed when no more sessions may be
// opened.
func (l *sessionSet) drainingStarted() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.initOnce()
	return l.stop
}

// isDraining tells whether no more may be opened.
func (l *sessionSet) isDraining() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.draining
}

// startDraining stops the opening of sessions and returns those that are open.
func (l *sessionSet) startDraining() (live []*session.Session, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.initOnce()
	if !l.draining {
		l.draining = true
		close(l.stop)
	}
	for s := range l.live {
		live = append(live, s)
	}
	return live, l.over
}

// closeAll terminates all sessions at once, waits until they have ended, and
// calls release, which frees what they ran on. Every call returns the error of
// release. It waits for the Ended of grants, but not for long.
func (l *sessionSet) closeAll(release func() error) error {
	l.mu.Lock()
	l.initOnce()
	if !l.isClosed() {
		close(l.closed)
	}
	l.mu.Unlock()
	return l.closeOnce(context.Background(), release)
}

// isClosed tells whether Close was called.
func (l *sessionSet) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// closeOnce does the work of close. A second call waits for the first. It waits for the
// Ended of grants until ctx ends or Close is called, and somewhat longer.
func (l *sessionSet) closeOnce(ctx context.Context, release func() error) error {
	live, _ := l.startDraining()
	l.mu.Lock()
	again := l.over
	l.over = true
	l.mu.Unlock()
	if again {
		<-l.done
		return l.err
	}
	var ending sync.WaitGroup
	for _, s := range live {
		ending.Go(func() { _ = s.Terminate(api.SessionNoError, "") })
	}
	ending.Wait()
	l.opening.Wait()
	l.err = release()
	l.endings.await(ctx, l.closed)
	close(l.done)
	return l.err
}

// drainAll lets all sessions drain, and at the same time what finish waits for, and then
// closes. It returns over if Close was called meanwhile.
func (l *sessionSet) drainAll(ctx context.Context, over error, finish func(context.Context) error, release func() error) error {
	live, ended := l.startDraining()
	if ended {
		<-l.done
		return nil
	}
	var (
		draining sync.WaitGroup
		mu       sync.Mutex
		cut      int
		left     session.Open
		why      error
		finished error
	)
	draining.Go(func() { finished = finish(ctx) })
	for _, s := range live {
		draining.Go(func() {
			open, err := s.Drain(ctx)
			if err == nil {
				_ = s.Terminate(api.SessionNoError, "")
				return
			}
			_ = s.Terminate(api.SessionGoAwayTimeout, "goaway timeout")
			mu.Lock()
			defer mu.Unlock()
			cut++
			left.Subscriptions += open.Subscriptions
			left.Publications += open.Publications
			left.Groups += open.Groups
			why = err
		})
	}
	draining.Wait()
	if l.isClosed() {
		return over
	}
	err := errors.Join(finished, l.closeOnce(ctx, release))
	if cut > 0 {
		err = errors.Join(fmt.Errorf("shutdown: %w: cut %d sessions with %d groups in flight, %d tracks being read and %d tracks served without the peer's answer",
			why, cut, left.Groups, left.Subscriptions, left.Publications), err)
	}
	return err
}

// protocols returns the names under which the versions of a config are
// negotiated.
func protocols(c *api.Config) []string {
	var names []string
	for _, v := range c.Offered() {
		names = append(names, string(v))
	}
	return names
}

var errNoVersions = errors.New("the config offers no versions")
