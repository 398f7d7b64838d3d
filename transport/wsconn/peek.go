package wsconn

import (
	"bufio"
	"context"
	"net"
	"time"
)

// A peeked connection is one whose first bytes were looked at.
type peeked struct {
	net.Conn
	in    *bufio.Reader
	first [3]byte

	// remote is whom a proxy speaks for; nil: nobody else.
	remote net.Addr
}

// peek waits for a client's first bytes, which tell what it speaks, and for the
// words of a proxy ahead of them.
func peek(ctx context.Context, raw net.Conn, trusted proxies) (*peeked, error) {
	defer context.AfterFunc(ctx, func() { _ = raw.SetReadDeadline(time.Unix(1, 0)) })()
	p := &peeked{Conn: raw, in: bufio.NewReaderSize(raw, 4096)}
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
func (p *peeked) Read(b []byte) (int, error) {
	if p.in.Buffered() == 0 {
		return p.Conn.Read(b)
	}
	return p.in.Read(b)
}

// RemoteAddr implements [net.Conn].
func (p *peeked) RemoteAddr() net.Addr {
	if p.remote != nil {
		return p.remote
	}
	return p.Conn.RemoteAddr()
}

// tls tells a handshake record of any version.
func (p *peeked) tls() bool { return p.first[0] == 0x16 && p.first[1] == 0x03 }

// http tells the name of a method from the size of a record, after which a
// frame of Qmux begins with 0xff.
func (p *peeked) http() bool {
	return 'A' <= p.first[0] && p.first[0] <= 'Z' && p.first[2] < 0x80
}
