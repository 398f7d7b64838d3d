package wsconn

import (
	"bufio"
	"io"
	"net"
	"time"

	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// A tcpCarrier carries messages over a byte stream, each after its size.
//
// Size and message leave in one write, so that a small message is one packet.
// One goroutine reads and one writes; what ReadMessage returns is valid until
// the next call.
type tcpCarrier struct {
	conn net.Conn // the TCP or TLS connection
	raw  net.Conn // the TCP connection
	in   *bufio.Reader
	buf  []byte
	out  []byte
}

// newTCPCarrier carries messages over conn, whose TCP connection is raw; both
// are the same without TLS.
func newTCPCarrier(conn, raw net.Conn) *tcpCarrier {
	return &tcpCarrier{
		conn: conn,
		raw:  raw,
		in:   bufio.NewReaderSize(eofGuard{conn}, 2*qmux.MaxMessage),
		buf:  make([]byte, qmux.MaxMessage),
	}
}

// ReadMessage implements [qmux.Carrier].
func (c *tcpCarrier) ReadMessage() ([]byte, error) {
	size, err := c.readSize()
	if err != nil {
		return nil, err
	}
	if size > uint64(len(c.buf)) {
		return nil, qmux.ErrTooLarge
	}
	if _, err := io.ReadFull(c.in, c.buf[:size]); err != nil {
		return nil, err
	}
	return c.buf[:size], nil
}

// readSize reads a size, which is a QUIC varint.
func (c *tcpCarrier) readSize() (uint64, error) {
	first, err := c.in.ReadByte()
	if err != nil {
		return 0, err
	}
	size := uint64(first & 0x3f)
	for range 1<<(first>>6) - 1 {
		b, err := c.in.ReadByte()
		if err != nil {
			return 0, err
		}
		size = size<<8 | uint64(b)
	}
	return size, nil
}

// WriteMessage implements [qmux.Carrier].
func (c *tcpCarrier) WriteMessage(p []byte) error {
	c.out = append(qmux.AppendVarint(c.out[:0], uint64(len(p))), p...)
	_, err := c.conn.Write(c.out)
	return err
}

// Close implements [qmux.Carrier].
func (c *tcpCarrier) Close() error {
	if c.conn == c.raw {
		return c.raw.Close()
	}
	// A close_notify cannot be written while the peer does not read.
	timer := time.AfterFunc(carrierCloseTimeout, func() { _ = c.raw.Close() })
	defer timer.Stop()
	return c.conn.Close()
}
