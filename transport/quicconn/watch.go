package quicconn

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// lookAround is how often a watch looks at its connections.
const lookAround = 500 * time.Millisecond

const (
	// remedyAfter is how long a watch waits before it acts on the same path
	// again. The wait doubles each time, up to remedyAtMost.
	remedyAfter  = 3 * time.Second
	remedyAtMost = time.Minute
)

// A watched is a connection with what its watch knows about it. Only the
// goroutine of the watch uses it.
type watched struct {
	*quic.Conn
	from     netip.Addr // at a client: the local address of the path
	delivery delivery

	// ready is when the watch may act on the path again, and wait is how long
	// it waits after that.
	ready time.Time
	wait  time.Duration
}

// due reads the connection's counters. It reports true when the watch should
// act on the path: large packets seem to get lost, and the connection uses
// packets that can be made smaller.
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

// A watch calls look at regular intervals while a socket has connections.
type watch struct {
	// look is called from the goroutine of the watch, with the connections
	// that are open.
	look func(now time.Time, conns []*watched)

	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  []*watched
	rest   context.CancelFunc // stops run; nil while run is not running
	closed bool
}

// follow adds a connection to the watch, which drops it some time after it has
// ended.
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

// close stops the watch and waits for its goroutines. They end when their
// connections have ended, which the caller must see to.
func (w *watch) close() {
	w.mu.Lock()
	w.closed = true
	if w.rest != nil {
		w.rest()
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// run calls look until ctx ends or no connections are left.
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

// open drops the connections that have ended and appends the others to conns.
// If none is left, it marks run as stopped.
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

// work calls do in a goroutine of its own, unless the connection has ended or
// the watch is closed.
func (w *watch) work(c *watched, do func(*quic.Conn)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Context().Err() == nil && !w.closed {
		q := c.Conn
		w.wg.Go(func() { do(q) })
	}
}
