package session

import (
	"sync"
	"sync/atomic"

	"github.com/moqlite/moqlite/impl/internal/signal"
)

// requests counts the peer's bidirectional streams: in streams until their goroutine
// returns, which bounds them, and in answering until they no longer keep Drain waiting.
// The zero value is ready.
type requests struct {
	// draining is set when new requests are refused. It is set under mu, so that each
	// request is either counted before or known to be late.
	draining atomic.Bool

	// watched is set when left was called for the first time: until then nobody waits,
	// and the end of a group costs no lock here.
	watched atomic.Bool

	mu        sync.Mutex
	over      bool          // the session has ended
	streams   int32         // streams being served, and one being accepted
	answering int32         // requests being answered
	fewer     *sync.Cond    // signals that streams has shrunk; lazily made
	ended     signal.Notice // something that Drain or AwaitServed waits for has ended
}

// admit waits until fewer than most streams are being served, and counts one more. It
// reports false when the session has ended.
func (r *requests) admit(most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for int(r.streams) >= most && !r.over {
		if r.fewer == nil {
			r.fewer = sync.NewCond(&r.mu)
		}
		r.fewer.Wait()
	}
	r.streams++
	return !r.over
}

// served stops counting a stream that admit has counted.
func (r *requests) served() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams--
	if r.fewer != nil {
		r.fewer.Signal()
	}
}

// accepted counts a request, and reports whether it has come after drain.
func (r *requests) accepted() (late bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answering++
	return r.draining.Load()
}

// answered stops counting a request that accepted has counted.
func (r *requests) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answering--
	r.ended.Tell()
}

// drain makes the session refuse new requests.
func (r *requests) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining.Store(true)
}

// tellEnded wakes Drain and AwaitServed, because a subscription or a group has ended.
func (r *requests) tellEnded() {
	if !r.watched.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended.Tell()
}

// left returns how many requests are being answered, and a channel that is closed when a
// request, a subscription or a group has ended.
func (r *requests) left() (answering int, less <-chan struct{}) {
	r.watched.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	return int(r.answering), r.ended.Changed()
}

// stop makes admit report false, because the session has ended.
func (r *requests) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.fewer != nil {
		r.fewer.Broadcast()
	}
}
