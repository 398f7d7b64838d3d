package qmux

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// A link is one end of a pipe of messages, which holds a few.
type link struct {
	in, out chan []byte
	closed  chan struct{} // this end
	gone    chan struct{} // the other
	once    sync.Once
}

func newLinks() (a, b *link) {
	x, y := make(chan []byte, 4), make(chan []byte, 4)
	a = &link{in: x, out: y, closed: make(chan struct{})}
	b = &link{in: y, out: x, closed: make(chan struct{})}
	a.gone, b.gone = b.closed, a.closed
	return a, b
}

func (l *link) ReadMessage() ([]byte, error) {
	select {
	case m := <-l.in:
		return m, nil
	default:
	}
	select {
	case m := <-l.in:
		return m, nil
	case <-l.closed:
		return nil, io.ErrClosedPipe
	case <-l.gone:
		select {
		case m := <-l.in:
			return m, nil
		default:
			return nil, ErrCut
		}
	}
}

func (l *link) WriteMessage(p []byte) error {
	select {
	case l.out <- slices.Clone(p):
		return nil
	case <-l.closed:
		return io.ErrClosedPipe
	case <-l.gone:
		return io.ErrClosedPipe
	}
}

func (l *link) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

const protocol = "moq-lite-06"

func options(v Version, client bool, cfg *Config) Options {
	return Options{
		Version: v, Client: client, Config: cfg,
		State: transport.State{Protocol: protocol, Transport: "pipe", Local: memconn.Addr("a"), Remote: memconn.Addr("b")},
	}
}

// pair makes both ends of a connection.
func pair(t *testing.T, v Version, cfg *Config) (client, server transport.Conn) {
	t.Helper()
	client, server, _ = breakable(t, v, cfg)
	return client, server
}

// breakable makes a pair, and a function that breaks the connection.
func breakable(t *testing.T, v Version, cfg *Config) (client, server transport.Conn, cut func()) {
	t.Helper()
	a, b := newLinks()
	c, s := New(a, options(v, true, cfg)), New(b, options(v, false, cfg))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, x := range []*Conn{c, s} {
		if err := x.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return c.Transport(), s.Transport(), func() { _ = a.Close() }
}

func TestConformance(t *testing.T) {
	for _, v := range []Version{Version00, Version01, Version02} {
		t.Run(v.String(), func(t *testing.T) {
			small := &Config{MaxStreams: 3, MaxUniStreams: 3, StreamWindow: 30_000, ConnWindow: 70_001}
			abilities := []transporttest.Ability{transporttest.Statistics, transporttest.Priorities}
			if v != Version00 {
				abilities = append(abilities, transporttest.Datagrams)
			}
			transporttest.TestConn(t, transporttest.Options{
				Client: abilities, Server: abilities,
				Pair:  func(t *testing.T) (client, server transport.Conn) { return pair(t, v, nil) },
				Small: func(t *testing.T) (client, server transport.Conn) { return pair(t, v, small) },
				Cut: func(t *testing.T) (client, server transport.Conn, cut func()) {
					return breakable(t, v, nil)
				},
				Bubble: true,
			})
		})
	}
}
