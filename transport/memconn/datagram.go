package memconn

import (
	"context"
	"fmt"

	"github.com/moqlite/moqlite/transport/internal/streams"
)

// maxDatagrams is how many datagrams may be delayed on the way.
const maxDatagrams = streams.MaxDatagrams

// SendDatagram sends one datagram. It never blocks: when 128 datagrams wait at
// the receiver or, with a delay, are on the way, it drops this one without an
// error. A datagram larger than the peer's MaxDatagramSize is an error.
func (c *Conn) SendDatagram(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.shared.Err(); err != nil {
		return err
	}
	if limit := c.peer.config.MaxDatagramSize; len(p) > limit {
		return fmt.Errorf("datagram of %d bytes is larger than %d", len(p), limit)
	}
	if c.config.OneWayDelay > 0 {
		if c.floating >= maxDatagrams {
			return nil
		}
		c.floating++
	}
	c.send(frame{kind: frameDatagram, data: p})
	return nil
}

// ReceiveDatagram waits for the next datagram.
func (c *Conn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	return c.shared.ReceiveDatagram(ctx)
}
