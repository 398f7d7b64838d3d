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

// An identity is what a client or a server is called in announcements: what
// its config says, or else a random number for its life. Client and server of
// one process differ, so that each hears of what the other publishes; a relay
// that also dials gives both the same.
type identity struct {
	once   sync.Once
	random api.Hop
}

func (id *identity) hop(c *api.Config) api.Hop {
	if c != nil && c.Hop != 0 {
		return c.Hop
	}
	// Below 2^53, which all peers can hold.
	id.once.Do(func() { id.random = api.Hop(rand.Uint64N(1<<53-1) + 1) })
	return id.random
}

// sessions are those of one client or server, with what is being opened. The
// zero value is ready to use.
type sessions struct {
	mu       sync.Mutex
	closed   bool          // Close was called
	ended    bool          // everything has ended, or is about to
	draining bool          // Shutdown was called, or Close
	stop     chan struct{} // closed when draining begins
	opening  sync.WaitGroup
	live     map[*session.Session]struct{}
	forget   func(*session.Session) // takes one off live
	done     chan struct{}          // closed when Close has finished
	err      error                  // of freeing what they ran on; after done
}

func (l *sessions) init() {
	if l.stop == nil {
		l.stop = make(chan struct{})
		l.done = make(chan struct{})
		l.live = make(map[*session.Session]struct{})
		l.forget = func(s *session.Session) {
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.live, s)
		}
	}
}

// begin registers the opening of a session, whose context ends with ctx or
// with the set. end must be called when it is over. It reports false when no
// more may be opened.
func (l *sessions) begin(ctx context.Context, over error) (_ context.Context, end func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.init()
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

// add registers a session until it is gone. It reports false, and the session
// must be terminated, when no more may be opened.
func (l *sessions) add(s *session.Session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.init()
	if l.draining {
		return false
	}
	l.live[s] = struct{}{}
	s.WhenGone(l.forget)
	return true
}

// stopped is closed when no more may be opened.
func (l *sessions) stopped() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.init()
	return l.stop
}

// over tells whether no more may be opened.
func (l *sessions) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.draining
}

// drain stops openings and returns the sessions there are.
func (l *sessions) drain() (live []*session.Session, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.init()
	if !l.draining {
		l.draining = true
		close(l.stop)
	}
	for s := range l.live {
		live = append(live, s)
	}
	return live, l.ended
}

// close ends everything now and returns when it is gone; release frees what
// the sessions ran on. Every call returns the error of that.
func (l *sessions) close(release func() error) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return l.end(release)
}

// end is close, of which a second call waits for the first.
func (l *sessions) end(release func() error) error {
	live, _ := l.drain()
	l.mu.Lock()
	again := l.ended
	l.ended = true
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
	close(l.done)
	return l.err
}

// shutdown lets all sessions drain and then closes. over is what it returns
// when Close came first.
func (l *sessions) shutdown(ctx context.Context, over error, release func() error) error {
	live, ended := l.drain()
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
	)
	for _, s := range live {
		draining.Go(func() {
			open, err := s.Drain(ctx)
			if err == nil {
				_ = s.Terminate(api.SessionNoError, "")
				return
			}
			s.Cut()
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
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return over
	}
	err := l.end(release)
	if cut > 0 {
		err = errors.Join(fmt.Errorf("shutdown: %w: cut %d sessions with %d groups in flight, %d tracks being read and %d tracks served without the peer's answer",
			why, cut, left.Groups, left.Subscriptions, left.Publications), err)
	}
	return err
}

// protocols are the versions that a config offers, as they are negotiated.
func protocols(c *api.Config) []string {
	var names []string
	for _, v := range c.Offered() {
		names = append(names, string(v))
	}
	return names
}

var errNoVersions = errors.New("the config offers no versions")
