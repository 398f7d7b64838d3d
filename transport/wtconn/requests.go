package wtconn

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// requests counts the requests that are being answered, so that they can be waited for.
// The zero value has none.
type requests struct {
	mu   sync.Mutex
	n    int
	over bool          // no more are taken
	none chan struct{} // closed when there are none; nil unless somebody waits
}

// begin counts a request. It reports false when no more are taken.
func (q *requests) begin() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return false
	}
	q.n++
	return true
}

// end ends a request that begin has counted.
func (q *requests) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n--
	q.tell()
}

// close takes no more requests, and ends a wait.
func (q *requests) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over, q.n = true, 0
	q.tell()
}

// tell ends a wait for the last request. The lock is held.
func (q *requests) tell() {
	if q.n <= 0 && q.none != nil {
		close(q.none)
		q.none = nil
	}
}

// drain takes no more requests, and returns a channel that is closed when the last one
// has ended; nil if there is none.
func (q *requests) drain() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	if q.n > 0 && q.none == nil {
		q.none = make(chan struct{})
	}
	return q.none
}

// serveRequest has Handler answer a request that came on a connection.
func (s *Server) serveRequest(v *h3Conn, w http.ResponseWriter, r *http.Request) {
	if !s.requests.begin() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	v.beginRequest()
	defer v.endRequest()
	defer s.requests.end()
	s.Handler.ServeHTTP(w, r)
}

// Shutdown answers further requests for Handler with status 503 and waits, until ctx
// ends, for those that are being answered, and a moment more for the last of them to be
// sent. Sessions go on. Close ends the wait.
func (s *Server) Shutdown(ctx context.Context) error {
	none := s.requests.drain()
	if none == nil {
		return nil
	}
	select {
	case <-none:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-time.After(closeLinger):
	case <-ctx.Done():
	}
	return nil
}
