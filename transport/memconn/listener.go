package memconn

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/streams"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A listener queues connections until they are accepted. Each queued
// connection has a token in slots.
type listener struct {
	network   *Network
	host      string
	protocols []string
	options   ListenOptions
	slots     chan struct{}
	conns     *waiting.Queue[*Conn]
}

var _ transport.Listener = (*listener)(nil)

func newListener(n *Network, host string, protocols []string, o *ListenOptions) *listener {
	l := &listener{network: n, host: host, protocols: slices.Clone(protocols), conns: waiting.NewQueue[*Conn]()}
	if o != nil {
		l.options = *o
	}
	streams.Default(&l.options.Backlog, defaultBacklog)
	l.slots = make(chan struct{}, l.options.Backlog)
	return l
}

// Accept waits for the next connection.
func (l *listener) Accept(ctx context.Context) (transport.Conn, error) {
	c, err := l.conns.Pop(ctx)
	if err != nil {
		return nil, fmt.Errorf("accept at %q: %w", l.host, err)
	}
	<-l.slots
	return c, nil
}

// Addr returns the host of the listener.
func (l *listener) Addr() net.Addr { return l.addr() }

func (l *listener) addr() Addr { return Addr(l.host) }

// Close stops listening and closes the connections that were not accepted,
// with code 0.
func (l *listener) Close() error {
	l.network.remove(l)
	for _, c := range l.conns.Close() {
		c.CloseWithError(0, "")
	}
	return nil
}

// negotiate returns the offered protocol that the listener prefers, or "".
func (l *listener) negotiate(offered []string) string {
	for _, p := range l.protocols {
		if slices.Contains(offered, p) {
			return p
		}
	}
	return ""
}

// offer queues c for Accept if Authorize allows it. It waits for a slot.
func (l *listener) offer(ctx context.Context, c *Conn) error {
	if authorize := l.options.Authorize; authorize != nil {
		if err := authorize(ctx, c.State()); err != nil {
			return dialError(transport.PhaseUpgrade, err)
		}
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return dialError(transport.PhaseConnect, context.Cause(ctx))
	case <-l.conns.Done():
		return l.gone()
	}
	if !l.conns.Push(c) {
		return l.gone()
	}
	return nil
}

func (l *listener) gone() error {
	return dialError(transport.PhaseConnect, fmt.Errorf("nothing listens at %q any more", l.host))
}
