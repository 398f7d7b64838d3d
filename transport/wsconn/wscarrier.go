package wsconn

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/coder/websocket"

	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// carrierCloseTimeout bounds how long closing a TLS or WebSocket connection may
// take.
const carrierCloseTimeout = 100 * time.Millisecond

// errText is the error for a message of text: Qmux sends bytes alone.
var errText = errors.New("a text message")

// A wsCarrier carries messages over a WebSocket connection.
//
// The goroutines of Qmux use it: one reads, and one writes. A message that is
// read is valid until the next is.
type wsCarrier struct {
	ws  *websocket.Conn
	raw net.Conn // the TCP connection; nil: not known
	buf []byte
}

// newWSCarrier carries messages over ws.
func newWSCarrier(ws *websocket.Conn, raw net.Conn) *wsCarrier {
	ws.SetReadLimit(-1) // the size of buf is the limit
	return &wsCarrier{ws: ws, raw: raw, buf: make([]byte, qmux.MaxMessage+1)}
}

// ReadMessage implements [qmux.Carrier].
func (c *wsCarrier) ReadMessage() ([]byte, error) {
	kind, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageBinary {
		return nil, errText
	}
	switch n, err := io.ReadFull(r, c.buf); {
	case err == nil:
		return nil, qmux.ErrTooLarge
	case err == io.EOF, err == io.ErrUnexpectedEOF: // the end of the message
		return c.buf[:n], nil
	default:
		return nil, err
	}
}

// WriteMessage implements [qmux.Carrier].
func (c *wsCarrier) WriteMessage(p []byte) error {
	return c.ws.Write(context.Background(), websocket.MessageBinary, p)
}

// Close performs the WebSocket closing handshake, and closes the TCP
// connection if that takes too long.
func (c *wsCarrier) Close() error {
	if c.raw == nil {
		return c.ws.CloseNow()
	}
	timer := time.AfterFunc(carrierCloseTimeout, func() { _ = c.raw.Close() })
	defer timer.Stop()
	return c.ws.Close(websocket.StatusNormalClosure, "")
}
