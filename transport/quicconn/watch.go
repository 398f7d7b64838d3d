package quicconn

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// lookAround is how often the connections of a socket are looked at.
const lookAround = 500 * time.Millisecond

const (
	// remedyAfter is how long the watch waits until it acts on the same path once
	// more; the wait doubles each time, up to remedyAtMost.
	remedyAfter  = 3 * time.Second
	remedyAtMost = time.Minute
)

// A watched connection is one with what a watch knows of it. It is for the
// watch's own goroutine.
type watched struct {
	*quic.Conn
	from     netip.Addr // a client's address towards the server
	delivery delivery

	// When the watch may act on the path again, and the wait after that.
	ready time.Time
	wait  time.Duration
}

// due takes in the connection's counters. It reports true when the watch is to
// act on the path: large packets seem to get lost on it, and the connection
// could do with smaller ones.
func (c *watched) due(now time.Time) bool {
	c.delivery.look(now, c.ConnectionStats())
	if now.Before(c.ready) || !c.delivery.suspect(now) || packetSize(c.Conn) <= leastPacket {
		return false
	}
	if now.Sub(c.ready) > remedyAtMost {
		c.wait = remedyAfter
	}
	c.ready = now.Add(c.wait)
	c.wait = min(2*c.wait, remedyAtMost)
	c.delivery.again()
	return true
}

// A watch has the connections of a socket looked at while there are any.
type watch struct {
	// look is called again and again from one goroutine, with all that are open.
	look func(now time.Time, conns []*watched)

	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  []*watched
	rest   context.CancelFunc // ends run; nil while that does not
	closed bool
}

// follow has a connection looked at until it ends, which is noticed in a while.
func (w *watch) follow(c *watched) {
	c.wait = remedyAfter
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if w.rest == nil {
		var ctx context.Context
		ctx, w.rest = context.WithCancel(context.Background())
		w.wg.Go(func() { w.run(ctx) })
	}
	w.conns = append(w.conns, c)
}

// close ends it, and waits until nothing is left to do, which is when all
// connections have ended.
func (w *watch) close() {
	w.mu.Lock()
	w.closed = true
	if w.rest != nil {
		w.rest()
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// run looks while there are connections, until ctx ends.
func (w *watch) run(ctx context.Context) {
	ticker := time.NewTicker(lookAround)
	defer ticker.Stop()
	var conns []*watched
	for {
		select {
		case now := <-ticker.C:
			if conns = w.open(conns[:0]); len(conns) == 0 {
				return
			}
			w.look(now, conns)
		case <-ctx.Done():
			return
		}
	}
}

// open forgets the connections that have ended and appends the others to conns.
// Without any, run is about to end.
func (w *watch) open(conns []*watched) []*watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = slices.DeleteFunc(w.conns, func(c *watched) bool { return c.Context().Err() != nil })
	if len(w.conns) == 0 && w.rest != nil {
		w.rest()
		w.rest = nil
	}
	return append(conns, w.conns...)
}

// work does something about a connection beside the watch, unless it has ended.
func (w *watch) work(c *watched, do func(*quic.Conn)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Context().Err() == nil && !w.closed {
		q := c.Conn
		w.wg.Go(func() { do(q) })
	}
}
