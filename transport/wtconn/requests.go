package wtconn

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

const (
	// deliveryPoll is how often it is looked whether answers have arrived.
	deliveryPoll = 20 * time.Millisecond

	// ackSize is the size up to which packets are taken for acknowledgements, in bytes.
	ackSize = 100

	// ackDelay is how long peers may wait before they acknowledge (RFC 9000, section
	// 18.2).
	ackDelay = 25 * time.Millisecond
)

// requests counts the requests that are being answered, so that they can be waited for.
// The zero value has none.
type requests struct {
	mu       sync.Mutex
	n        int
	over     bool                   // no more are taken
	none     chan struct{}          // closed when there are none; nil unless somebody waits
	answered map[*h3Conn]*answering // of the connections that have answered any, until they end
}

// An answering is what is known of the answers on a connection.
type answering struct {
	last  quic.ConnectionStats // at the last look
	since time.Time            // nothing but acknowledgements was sent since
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

// end ends a request that begin has counted, and whose answer was written on v.
func (q *requests) end(v *h3Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if v.quic.Context().Err() == nil {
		if q.answered == nil {
			q.answered = make(map[*h3Conn]*answering)
		}
		q.answered[v] = &answering{since: time.Now()}
	}
	q.n--
	q.tell()
}

// forget forgets a connection, which has ended.
func (q *requests) forget(v *h3Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.answered, v)
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

// arrived reports whether the answers have arrived on all connections: nothing is sent any
// more, and was not for so long that a probe would have followed, had the peer left
// something unacknowledged. quic-go tells nothing more of acknowledgements.
func (q *requests) arrived(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := true
	for v, a := range q.answered {
		all = a.look(now, v.quic.ConnectionStats()) && all
	}
	return all
}

// look reports whether the answers on a connection have arrived.
func (a *answering) look(now time.Time, is quic.ConnectionStats) bool {
	was := a.last
	a.last = is
	if was.PacketsSent > 0 && is.BytesSent-was.BytesSent > ackSize*(is.PacketsSent-was.PacketsSent) {
		a.since = now
	}
	// The time to the first probe (RFC 9002, section 6.2.1). It doubles if that is lost.
	probe := is.SmoothedRTT + 4*is.MeanDeviation + ackDelay
	return now.Sub(a.since) >= max(closeLinger, 3*probe)
}

// serveRequest has Handler answer a request that came on a connection.
func (s *Server) serveRequest(v *h3Conn, w http.ResponseWriter, r *http.Request) {
	if !s.requests.begin() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	v.beginRequest()
	defer v.endRequest()
	defer s.requests.end(v)
	s.Handler.ServeHTTP(w, r)
}

// Shutdown answers further requests for Handler with status 503 and waits, until ctx
// ends, for those that are being answered, and until the clients have their answers. If
// ctx ends before that is known, its cause is the error. Sessions go on. Close ends the
// wait.
func (s *Server) Shutdown(ctx context.Context) error {
	if none := s.requests.drain(); none != nil {
		select {
		case <-none:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	poll := time.NewTicker(deliveryPoll)
	defer poll.Stop()
	for !s.requests.arrived(time.Now()) {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
