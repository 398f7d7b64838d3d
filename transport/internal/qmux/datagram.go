package qmux

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/moqlite/moqlite/transport/internal/streams"
)

// maxDatagrams is how many datagrams wait to be sent.
const maxDatagrams = streams.MaxDatagrams

// A datagramConn is a Conn whose peer accepts datagrams.
type datagramConn struct{ *Conn }

// SendDatagram queues a datagram. It never blocks: when maxDatagrams wait
// already, the oldest is dropped.
func (c *datagramConn) SendDatagram(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.shared.Err(); err != nil {
		return err
	}
	limit := min(c.peer.MaxDatagram, MinRecordSize)
	if size := uint64(1 + varintLen(uint64(len(p))) + len(p)); size > limit {
		return fmt.Errorf("a datagram of %d bytes is too large: a frame takes %d", len(p), limit)
	}
	// Datagrams are for what is worthless when late, so the oldest is the one to
	// lose.
	if len(c.out.datagrams) >= maxDatagrams {
		c.out.datagrams = c.out.datagrams[1:]
	}
	c.out.datagrams = append(c.out.datagrams, bytes.Clone(p))
	c.cond.Signal()
	return nil
}

// ReceiveDatagram waits for the next datagram.
func (c *datagramConn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	return c.shared.ReceiveDatagram(ctx)
}

var errDatagramSize = errors.New("DATAGRAM is larger than allowed")

// onDatagram queues a received datagram, or drops it if maxDatagrams wait
// already.
func (c *Conn) onDatagram(p []byte) error {
	if len(p) > MinRecordSize {
		return errDatagramSize
	}
	c.shared.OfferDatagram(p)
	return nil
}
