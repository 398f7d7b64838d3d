//go:build unix

package bench

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/webtransport-go"

	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// gathered is how much the best use of quic-go writes at a time.
const gathered = 64 << 10

// certificate is the certificate of all servers.
var certificate = sync.OnceValue(func() tls.Certificate {
	cert, err := devcert.New()
	if err != nil {
		panic(err)
	}
	return cert
})

func serverTLS(protocol string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate()}, NextProtos: []string{protocol}}
}

func clientTLS(protocol string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}
}

// A conn is what the twins need of a library's connection.
type conn struct {
	open   func(context.Context) (io.WriteCloser, error)
	accept func(context.Context) (io.Reader, error)
}

// A pair connects a client and a server.
type pair func(b *testing.B) (client, server conn, end func())

func quicConn(c *quic.Conn) conn {
	return conn{
		func(ctx context.Context) (io.WriteCloser, error) { return c.OpenUniStreamSync(ctx) },
		func(ctx context.Context) (io.Reader, error) { return c.AcceptUniStream(ctx) },
	}
}

// plainPair connects by quic-go over sockets of its own.
func plainPair(b *testing.B) (client, server conn, end func()) {
	l, err := quic.ListenAddr("127.0.0.1:0", serverTLS("bare"), quicconn.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	c, err := quic.DialAddr(b.Context(), l.Addr().String(), clientTLS("bare"), quicconn.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	s, err := l.Accept(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return quicConn(c), quicConn(s), func() {
		_ = c.CloseWithError(0, "")
		_ = l.Close()
	}
}

// bestPair connects by quic-go over sockets of this module, with the windows
// that suit one stream.
func bestPair(b *testing.B) (client, server conn, end func()) {
	config := quicconn.DefaultConfig()
	config.InitialStreamReceiveWindow, config.InitialConnectionReceiveWindow = 2<<20, 8<<20
	return configuredPair(config)(b)
}

// configuredPair connects by quic-go over sockets of this module with the given
// settings.
func configuredPair(config *quic.Config) pair {
	return func(b *testing.B) (client, server conn, end func()) { return connect(b, config) }
}

// connect negotiates a protocol for which our listener returns the plain
// connections of quic-go.
func connect(b *testing.B, config *quic.Config) (client, server conn, end func()) {
	conns := make(chan *quic.Conn, 1)
	l, err := quicconn.Listen("127.0.0.1:0", serverTLS("h3"), config, quicconn.ListenOptions{
		H3: func(c *quic.Conn) error { conns <- c; <-c.Context().Done(); return nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	e := new(quicconn.Endpoint)
	c, err := e.Dial(b.Context(), l.Addr().String(), []string{"h3"}, clientTLS("h3"), config)
	if err != nil {
		b.Fatal(err)
	}
	return quicConn(c), quicConn(<-conns), func() {
		_ = c.CloseWithError(0, "")
		_ = e.Close()
		_ = l.Close()
	}
}

func webtransportConn(s *webtransport.Session) conn {
	return conn{
		func(ctx context.Context) (io.WriteCloser, error) { return s.OpenUniStreamSync(ctx) },
		func(ctx context.Context) (io.Reader, error) { return s.AcceptUniStream(ctx) },
	}
}

// webtransportPair connects by webtransport-go over sockets of its own.
func webtransportPair(b *testing.B) (client, server conn, end func()) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	sessions := make(chan *webtransport.Session, 1)
	w := webtransportServer(func(s *webtransport.Session) { sessions <- s })
	go func() { _ = w.Serve(socket) }()
	t := &webtransport.Transport{TLSClientConfig: clientTLS("h3"), QUICConfig: quicconn.DefaultConfig()}
	_, c, err := t.Dial(b.Context(), "https://"+socket.LocalAddr().String()+"/", nil)
	if err != nil {
		b.Fatal(err)
	}
	return webtransportConn(c), webtransportConn(<-sessions), func() {
		_ = c.CloseWithError(0, "")
		_ = w.Close()
		_ = socket.Close()
	}
}

// plainOf returns the plain use of the library that carries a scheme.
func plainOf(scheme string) pair {
	if scheme == "https" {
		return webtransportPair
	}
	return plainPair
}

// groups makes a server send groups as the module does, each over a stream of
// its own, with the given number of frames of the given size. It counts frames.
func (p pair) groups(b *testing.B, frames, size, atOnce int, g *gate) work {
	client, server, end := p(b)
	ctx, cancel := context.WithCancel(b.Context())
	var both sync.WaitGroup
	both.Go(func() { check(ctx, b, writeStreams(ctx, server, frames, size, atOnce, g)) })
	bytes := new(atomic.Int64)
	both.Go(func() { check(ctx, b, readStreams(ctx, client, bytes)) })
	return work{func() int64 { return bytes.Load() / int64(size) }, func() {
		cancel()
		end()
		both.Wait()
	}}
}

// check reports an error, unless the measurement is over.
func check(ctx context.Context, b *testing.B, err error) {
	if ctx.Err() == nil {
		b.Error(err)
	}
}

func writeStreams(ctx context.Context, c conn, frames, size, atOnce int, g *gate) error {
	group := make([]byte, frames*size)
	for {
		g.pass()
		s, err := c.open(ctx)
		if err != nil {
			return err
		}
		for rest := group; len(rest) > 0; {
			n := min(max(atOnce, size), len(rest))
			if _, err := s.Write(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
}

func readStreams(ctx context.Context, c conn, bytes *atomic.Int64) error {
	buf := make([]byte, 64<<10)
	for {
		s, err := c.accept(ctx)
		if err != nil {
			return err
		}
		for {
			n, err := s.Read(buf)
			bytes.Add(int64(n))
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
	}
}
