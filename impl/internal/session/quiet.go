package session

import (
	"context"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// awaitQuiet waits until all that was sent has probably arrived, or ctx ends: until the
// connection has sent no packet for longer than a probe timeout, after which a lost one
// would have been sent again. Some subscribers take a group that is still arriving at the
// track's end for complete. On a busy connection awaitQuiet returns after a second.
func awaitQuiet(ctx context.Context, conn transport.Conn) {
	c, ok := transport.As[transport.StatsConn](conn)
	if !ok {
		return
	}
	before := c.Stats()
	if before.PacketsSent == 0 {
		return
	}
	// The probe timeout of QUIC (RFC 9002, 6.2.1), with the usual max_ack_delay.
	timeout := before.RTT + max(4*before.RTTVar, time.Millisecond) + 25*time.Millisecond
	deadline := time.Now().Add(time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-time.After(min(timeout*5/4, time.Until(deadline))):
		case <-ctx.Done():
			return
		}
		now := c.Stats()
		if now.PacketsSent == before.PacketsSent {
			return
		}
		before = now
	}
}
