package quicconn

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

const (
	// lookAround is how often the system is asked by which of its addresses it
	// would reach a server.
	lookAround = 500 * time.Millisecond

	// moveWithin bounds the validation of a new path.
	moveWithin = 3 * time.Second
)

// A mover has the connections of a socket follow the machine to another
// address (RFC 9000, section 9). Their packets come from there as it is, since
// the socket is bound to none; but a server that hears nothing goes on sending
// to the old one.
type mover struct {
	transport *quic.Transport

	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  map[*quic.Conn]netip.Addr // with our address towards the server
	rest   context.CancelFunc        // ends run; nil while that does not
	closed bool
}

// follow has a connection follow until it ends, which is noticed in a while.
func (m *mover) follow(c *quic.Conn) {
	from, _ := source(c.RemoteAddr())
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	if m.rest == nil {
		m.conns = make(map[*quic.Conn]netip.Addr)
		var ctx context.Context
		ctx, m.rest = context.WithCancel(context.Background())
		m.wg.Go(func() { m.run(ctx) })
	}
	m.conns[c] = from
}

// close ends it, and waits until nothing is left to do, which is when all
// connections have ended.
func (m *mover) close() {
	m.mu.Lock()
	m.closed = true
	if m.rest != nil {
		m.rest()
	}
	m.mu.Unlock()
	m.wg.Wait()
}

// run looks around while there are connections, until ctx ends.
func (m *mover) run(ctx context.Context) {
	ticker := time.NewTicker(lookAround)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if !m.look() {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// open forgets the connections that have ended and returns the others. Without
// any, run is about to end.
func (m *mover) open() map[*quic.Conn]netip.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.conns, func(c *quic.Conn, _ netip.Addr) bool { return c.Context().Err() != nil })
	if len(m.conns) == 0 && m.rest != nil {
		m.rest()
		m.rest = nil
	}
	return maps.Clone(m.conns)
}

// look moves the connections whose way has changed. It reports false when there
// are none.
func (m *mover) look() bool {
	conns := m.open()
	if len(conns) == 0 {
		return false
	}
	sources := make(map[string]netip.Addr)
	for c, was := range conns {
		to := c.RemoteAddr()
		now, known := sources[to.String()]
		if !known {
			now, _ = source(to)
			sources[to.String()] = now
		}
		if now.IsValid() && now != was {
			m.moved(c, now)
		}
	}
	return true
}

// moved has a connection move, unless it has ended.
func (m *mover) moved(c *quic.Conn, to netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Context().Err() == nil && !m.closed {
		m.conns[c] = to
		m.wg.Go(func() { m.move(c) })
	}
}

// move validates the new path, and uses it. Where the server wants none of
// that, it may still go by where packets come from.
func (m *mover) move(c *quic.Conn) {
	ctx, cancel := context.WithTimeout(c.Context(), moveWithin)
	defer cancel()
	path, err := c.AddPath(m.transport)
	if err != nil {
		return
	}
	if err := path.Probe(ctx); err != nil {
		_ = path.Close()
		return
	}
	_ = path.Switch()
}

// source is the address from which the system would send to another, which it
// is not asked to.
func source(to net.Addr) (netip.Addr, error) {
	c, err := net.Dial("udp", to.String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	at, err := netip.ParseAddrPort(c.LocalAddr().String())
	return at.Addr(), err
}
