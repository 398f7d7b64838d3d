package quicconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
)

// An Endpoint is the UDP socket of a client, with all connections that were
// dialled over it. The zero value is ready to use: the socket is opened by the
// first Dial, for both address families where there are both. Fields must not
// change after that.
type Endpoint struct {
	// Socket, if set, is used instead of a UDP socket of the Endpoint's own.
	// Close closes it.
	Socket net.PacketConn

	mu     sync.Mutex
	conn   net.PacketConn
	quic   *quic.Transport
	closed bool
}

// Dial connects to addr, host:port, and negotiates one of protocols as ALPN. It
// returns when the handshake is complete. A host of several addresses is tried
// at one after the other, without waiting long for any; the first to answer
// wins. Neither configuration is changed; of tlsConf, the protocols are
// replaced, and of conf, datagrams and the peer's streams are switched on. nil
// stands for the system's roots, and for [DefaultConfig].
//
// Errors are of type [*transport.DialError], without a Transport. When ctx
// ends, nothing of the attempt is left behind.
func (e *Endpoint) Dial(ctx context.Context, addr string, protocols []string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
	if ctx.Err() != nil {
		return nil, dialError(transport.PhaseConnect, context.Cause(ctx))
	}
	host, port, err := splitAddr(addr)
	if err != nil {
		return nil, dialError(transport.PhaseResolve, err)
	}
	tr, err := e.open()
	if err != nil {
		return nil, dialError(transport.PhaseConnect, err)
	}
	addrs, err := resolve(ctx, host, port)
	if err != nil {
		return nil, dialError(transport.PhaseResolve, err)
	}
	d := &dial{
		transport: tr,
		tls:       configureTLS(tlsConf, host, protocols),
		conf:      configure(conf),
		probes:    e.Socket == nil,
	}
	return race(ctx, addrs, d.attempt)
}

// open opens the socket, unless it is open.
func (e *Endpoint) open() (*quic.Transport, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("the endpoint is closed: %w", net.ErrClosed)
	}
	if e.quic != nil {
		return e.quic, nil
	}
	e.conn = e.Socket
	if e.conn == nil {
		s, err := listenUDP(nil)
		if err != nil {
			return nil, err
		}
		e.conn = s
	}
	e.quic = &quic.Transport{Conn: e.conn}
	return e.quic, nil
}

// Close closes the socket. Dials fail, and connections that are still open are
// lost without a word to the peer. Close twice does nothing.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	if e.quic == nil {
		if e.Socket != nil {
			return e.Socket.Close()
		}
		return nil
	}
	return closeTransport(e.quic, e.conn)
}

// closeTransport ends a quic.Transport and its socket.
func closeTransport(t *quic.Transport, c net.PacketConn) error {
	err := t.Close()
	if closeErr := c.Close(); err == nil {
		err = closeErr
	}
	return err
}
