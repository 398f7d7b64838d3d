package quicconn

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// checkInterval is how often a watch looks at its connections.
const checkInterval = 500 * time.Millisecond

const (
	// remedyAfter is how long a watch waits before it acts on the same path
	// again. The wait doubles each time, up to remedyAtMost.
	remedyAfter  = 3 * time.Second
	remedyAtMost = time.Minute
)

// A watchedConn is a connection with what its watch knows about it. Only the
// goroutine of the watch uses it.
type watchedConn struct {
	*quic.Conn
	from     netip.Addr // at a client: the local address of the path
	delivery delivery

	// ready is when the watch may act on the path again, and wait is how long
	// it waits after that.
	ready time.Time
	wait  time.Duration
}

// needsPathCheck reads the connection's counters. It reports true when the
// watch should act on the path: large packets seem to get lost, and the
// connection uses packets that can be made smaller.
func (c *watchedConn) needsPathCheck(now time.Time) bool {
	c.delivery.update(now, c.ConnectionStats())
	if now.Before(c.ready) || !c.delivery.isBlackHole(now) || packetSize(c.Conn) <= leastPacket {
		return false
	}
	if now.Sub(c.ready) > remedyAtMost {
		c.wait = remedyAfter
	}
	c.ready = now.Add(c.wait)
	c.wait = min(2*c.wait, remedyAtMost)
	c.delivery.resetLoss()
	return true
}

// A connWatch calls check at regular intervals while a socket has connections.
type connWatch struct {
	// check is called from the goroutine of the watch, with the connections
	// that are open.
	check func(now time.Time, conns []*watchedConn)

	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  []*watchedConn
	stop   context.CancelFunc // stops runChecks; nil while that is not running
	closed bool
}

// addConn adds a connection to the watch, which drops it some time after it has
// ended.
func (w *connWatch) addConn(c *watchedConn) {
	c.wait = remedyAfter
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if w.stop == nil {
		var ctx context.Context
		ctx, w.stop = context.WithCancel(context.Background())
		w.wg.Go(func() { w.runChecks(ctx) })
	}
	w.conns = append(w.conns, c)
}

// closeWatch stops the watch and waits for its goroutines. They end when their
// connections have ended, which the caller must see to.
func (w *connWatch) closeWatch() {
	w.mu.Lock()
	w.closed = true
	if w.stop != nil {
		w.stop()
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// runChecks calls check until ctx ends or no connections are left.
func (w *connWatch) runChecks(ctx context.Context) {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	var conns []*watchedConn
	for {
		select {
		case now := <-ticker.C:
			if conns = w.liveConns(conns[:0]); len(conns) == 0 {
				return
			}
			w.check(now, conns)
		case <-ctx.Done():
			return
		}
	}
}

// liveConns drops the connections that have ended and appends the others to conns.
// If none is left, it marks runChecks as stopped.
func (w *connWatch) liveConns(conns []*watchedConn) []*watchedConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = slices.DeleteFunc(w.conns, func(c *watchedConn) bool { return c.Context().Err() != nil })
	if len(w.conns) == 0 && w.stop != nil {
		w.stop()
		w.stop = nil
	}
	return append(conns, w.conns...)
}

// spawn calls do in a goroutine of its own, unless the connection has ended or
// the watch is closed.
func (w *connWatch) spawn(c *watchedConn, do func(*quic.Conn)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Context().Err() == nil && !w.closed {
		q := c.Conn
		w.wg.Go(func() { do(q) })
	}
}
