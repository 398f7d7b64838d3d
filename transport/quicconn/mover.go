package quicconn

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"
)

// moveWithin bounds the validation of a new path.
const moveWithin = 3 * time.Second

// look has the connections of a client follow the machine to another address
// (RFC 9000, section 9), and ends those whose path has become too small. Their
// packets come from the new address as it is, since the socket is bound to
// none; but a server that hears nothing goes on sending to the old one.
func (l *local) look(now time.Time, conns []*watched) {
	sources := make(map[string]netip.Addr)
	for _, c := range conns {
		to := c.RemoteAddr()
		at, known := sources[to.String()]
		if !known {
			at, _ = source(to)
			sources[to.String()] = at
		}
		if at.IsValid() && at != c.from {
			c.from = at
			l.watch.work(c, l.move)
		}
		if c.due(now) {
			l.watch.work(c, examine)
		}
		if c.delivery.deaf(now) {
			l.watch.work(c, endDeaf)
		}
	}
}

// move validates the new path, and uses it. Where the server wants none of
// that, it may still go by where packets come from.
func (l *local) move(c *quic.Conn) {
	ctx, cancel := context.WithTimeout(c.Context(), moveWithin)
	defer cancel()
	path, err := c.AddPath(l.quic)
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
