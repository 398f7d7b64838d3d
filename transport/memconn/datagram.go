package memconn

import (
	"bytes"
	"context"
	"fmt"
)

// maxDatagrams is how many received datagrams wait for ReceiveDatagram, and
// how many may be delayed on the way.
const maxDatagrams = 128

// SendDatagram sends one datagram. It never blocks: when 128 datagrams wait at
// the receiver or, with a delay, are on the way, it drops this one without an
// error. A datagram larger than the peer's MaxDatagramSize is an error.
func (c *Conn) SendDatagram(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
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
	p, err := c.datagrams.Pop(ctx)
	if err != nil {
		return nil, c.popError(err)
	}
	return p, nil
}

func (c *Conn) onDatagram(p []byte) {
	if c.datagrams.Len() < maxDatagrams {
		c.datagrams.Push(bytes.Clone(p))
	}
}
