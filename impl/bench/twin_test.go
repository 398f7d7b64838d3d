//go:build unix

package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// gathered is how much the best use of quic-go writes at a time.
const gathered = 64 << 10

// certificate is for all servers.
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

// plainPair is a connection of quic-go over sockets of its own.
func plainPair(b *testing.B) (client, server *quic.Conn, end func()) {
	l, err := quic.ListenAddr("127.0.0.1:0", serverTLS("bare"), quicconn.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	client, err = quic.DialAddr(b.Context(), l.Addr().String(), clientTLS("bare"), quicconn.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	server, err = l.Accept(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return client, server, func() {
		_ = client.CloseWithError(0, "")
		_ = l.Close()
	}
}

// bestPair is a connection of quic-go over sockets of this module. The
// protocol is the one whose connections its listener hands out as they are.
func bestPair(b *testing.B) (client, server *quic.Conn, end func()) {
	conns := make(chan *quic.Conn, 1)
	l, err := quicconn.Listen("127.0.0.1:0", serverTLS("h3"), nil, quicconn.ListenOptions{
		H3: func(c *quic.Conn) error { conns <- c; <-c.Context().Done(); return nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	e := new(quicconn.Endpoint)
	client, err = e.Dial(b.Context(), l.Addr().String(), []string{"h3"}, clientTLS("h3"), nil)
	if err != nil {
		b.Fatal(err)
	}
	return client, <-conns, func() {
		_ = client.CloseWithError(0, "")
		_ = e.Close()
		_ = l.Close()
	}
}

// A pair connects a client and a server.
type pair func(b *testing.B) (client, server *quic.Conn, end func())

// groups has a server of quic-go send groups, each over a stream, as the module
// does: so many frames of a size each. It counts frames.
func (p pair) groups(b *testing.B, frames, size, atOnce int) sample {
	client, server, end := p(b)
	defer end()
	ctx, cancel := context.WithCancel(b.Context())
	var work sync.WaitGroup
	work.Go(func() { check(b, writeStreams(ctx, server, frames, size, atOnce)) })
	var bytes atomic.Int64
	work.Go(func() { check(b, readStreams(ctx, client, &bytes)) })
	s := sampled(func() int64 { return bytes.Load() / int64(size) })
	cancel()
	_ = client.CloseWithError(0, "")
	work.Wait()
	return s
}

// check reports an error that is not the end of a measurement.
func check(b *testing.B, err error) {
	if !errors.Is(err, context.Canceled) && !errors.As(err, new(*quic.ApplicationError)) && !errors.Is(err, net.ErrClosed) {
		b.Error(err)
	}
}

func writeStreams(ctx context.Context, c *quic.Conn, frames, size, atOnce int) error {
	group := make([]byte, frames*size)
	for {
		s, err := c.OpenUniStreamSync(ctx)
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

func readStreams(ctx context.Context, c *quic.Conn, bytes *atomic.Int64) error {
	buf := make([]byte, 64<<10)
	for {
		s, err := c.AcceptUniStream(ctx)
		if err != nil {
			return err
		}
		for {
			n, err := s.Read(buf)
			bytes.Add(int64(n))
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
}
