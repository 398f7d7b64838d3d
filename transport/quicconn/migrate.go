package quicconn

import (
	"context"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/quicconn/internal/udp"
)

// moveWithin bounds the validation of a new path.
const moveWithin = 3 * time.Second

// checkConns is the watch function of a client's socket. It moves connections to
// another path when the address of this machine changes (RFC 9000, section 9),
// examines paths on which large packets seem to get lost, and ends connections
// whose peer acknowledges nothing.
//
// The socket is not bound to an address, so that packets leave from the new
// one by themselves; but a server that has received none of them yet, because
// the client sends nothing, goes on sending to the old address.
func (l *clientSocket) checkConns(now time.Time, conns []*watchedConn) {
	sources := make(map[string]netip.Addr)
	for _, c := range conns {
		to := c.RemoteAddr()
		at, known := sources[to.String()]
		if !known {
			at, _ = udp.SourceAddr(to)
			sources[to.String()] = at
		}
		if at.IsValid() && at != c.from {
			c.from = at
			l.watch.spawn(c, l.migrate)
		}
		if c.needsPathCheck(now) {
			l.watch.spawn(c, checkPathSize)
		}
		if c.delivery.isUnacked(now) {
			l.watch.spawn(c, endUnacked)
		}
	}
}

// migrate validates the new path and switches to it. If the server does not
// answer, the connection stays on the old path object, and the server may
// still follow the address that packets come from.
func (l *clientSocket) migrate(c *quic.Conn) {
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
