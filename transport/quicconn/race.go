package quicconn

import (
	"context"
	"net"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// headStart is how long an address is dialled alone before the next one is
// dialled as well.
const headStart = 250 * time.Millisecond

// tryAddrs dials the addresses one after the other: the next one when the
// previous has failed or has had its head start. The first connection wins.
// tryAddrs returns when all other attempts have ended and their connections
// are closed. If all fail, the error is that of the attempt that reached the
// latest phase.
func tryAddrs(ctx context.Context, addrs []*net.UDPAddr, attempt func(context.Context, *net.UDPAddr) (*dialled, error)) (*dialled, error) {
	r := transport.Race[*dialled]{
		HeadStart: headStart,
		Discard:   func(c *dialled) { _ = c.CloseWithError(0, "") },
	}
	c, won, failed := r.Run(ctx, len(addrs), func(ctx context.Context, i int) (*dialled, error) { return attempt(ctx, addrs[i]) })
	if won >= 0 {
		return c, nil
	}
	furthest := failed[0].Err
	for _, f := range failed[1:] {
		if phaseOf(f.Err) > phaseOf(furthest) {
			furthest = f.Err
		}
	}
	return nil, furthest
}
