package wsconn

import (
	"bufio"
	"context"
	"net"
	"time"
)

// A peekedConn is a connection whose first bytes have been read ahead.
type peekedConn struct {
	net.Conn
	in    *bufio.Reader
	first [3]byte

	// remote is the client's address as a trusted proxy names it; nil: that of
	// Conn.
	remote net.Addr

	// offered are the ALPNs of the client's TLS handshake, once that has begun.
	offered []string
}

// peek reads the first bytes of a client, which show what it speaks, after the
// PROXY header of a trusted proxy, if there is one.
func peek(ctx context.Context, raw net.Conn, trusted proxies) (*peekedConn, error) {
	defer context.AfterFunc(ctx, func() { _ = raw.SetReadDeadline(time.Unix(1, 0)) })()
	p := &peekedConn{Conn: raw, in: bufio.NewReaderSize(raw, 4096)}
	if trusted.trusts(raw.RemoteAddr()) {
		if err := p.readHeader(); err != nil {
			return nil, err
		}
	}
	first, err := p.in.Peek(len(p.first))
	if err != nil {
		return nil, err
	}
	copy(p.first[:], first)
	return p, nil
}

// Read implements [net.Conn].
func (p *peekedConn) Read(b []byte) (int, error) {
	// What was read ahead comes first; after that the buffer is not in the way.
	if p.in.Buffered() == 0 {
		return p.Conn.Read(b)
	}
	return p.in.Read(b)
}

// RemoteAddr implements [net.Conn].
func (p *peekedConn) RemoteAddr() net.Addr {
	if p.remote != nil {
		return p.remote
	}
	return p.Conn.RemoteAddr()
}

// tls tells whether the client begins with a TLS handshake record.
func (p *peekedConn) tls() bool { return p.first[0] == 0x16 && p.first[1] == 0x03 }

// http tells whether the client begins with the name of an HTTP method.
// Otherwise it begins with the size of a Qmux record, whose first frame begins
// with 0xff.
func (p *peekedConn) http() bool {
	return 'A' <= p.first[0] && p.first[0] <= 'Z' && p.first[2] < 0x80
}
