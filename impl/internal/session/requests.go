package session

import (
	"sync"
	"sync/atomic"

	"github.com/moqlite/moqlite/impl/internal/signal"
)

// requests counts what the peer asks for. A request is counted once, from when its
// stream is accepted until it is answered; a stream until nothing more is done
// about it. The zero value is ready.
type requests struct {
	draining atomic.Bool // set with mu: no new ones are answered
	watched  atomic.Bool // left was called: somebody waits for less, or has

	mu        sync.Mutex
	over      bool // the session is
	streams   int
	answering int           // publications included
	fewer     *sync.Cond    // streams has shrunk; made for the accept loop when it has to wait
	less      signal.Notice // there is less of what is waited for
}

// admit waits until one more stream may be served, of most at a time, and counts
// it. It reports false when the session is over.
func (r *requests) admit(most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.streams >= most && !r.over {
		if r.fewer == nil {
			r.fewer = sync.NewCond(&r.mu)
		}
		r.fewer.Wait()
	}
	r.streams++
	return !r.over
}

// served stops counting a stream.
func (r *requests) served() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams--
	if r.fewer != nil {
		r.fewer.Signal()
	}
}

// accepted counts a request, and tells whether it has come after drain.
func (r *requests) accepted() (late bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answering++
	return r.draining.Load()
}

// answered stops counting it.
func (r *requests) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answering--
	r.less.Tell()
}

// drain refuses what comes from now on.
func (r *requests) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining.Store(true)
}

// tellLess tells that there is less of what is waited for.
func (r *requests) tellLess() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.less.Tell()
}

// left is how many requests are being answered, and what is closed when there is
// less of that, of subscriptions, or of groups.
func (r *requests) left() (answering int, less <-chan struct{}) {
	r.watched.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answering, r.less.Changed()
}

// stop ends the wait for admission: the session is over.
func (r *requests) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.fewer != nil {
		r.fewer.Broadcast()
	}
}
