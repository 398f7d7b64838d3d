// Package listentest has what tests of several transports listen with.
package listentest

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A Queue makes a listener of a server that passes each of its connections to
// a function: that is Push, and Accept returns what was pushed.
type Queue struct {
	conns *waiting.Queue[transport.Conn]
}

// NewQueue returns an empty queue.
func NewQueue() Queue { return Queue{waiting.NewQueue[transport.Conn]()} }

// Push adds c. After Close it closes c instead.
func (q Queue) Push(c transport.Conn) {
	if !q.conns.Push(c) {
		c.CloseWithError(0, "")
	}
}

// Accept waits for the next connection.
func (q Queue) Accept(ctx context.Context) (transport.Conn, error) {
	c, err := q.conns.Pop(ctx)
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	return c, nil
}

// Close closes the connections that were not accepted.
func (q Queue) Close() {
	for _, c := range q.conns.Close() {
		c.CloseWithError(0, "")
	}
}

// UnusedUDP returns an address at which nothing listens.
func UnusedUDP(t testing.TB) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

// SilentUDP returns an address from which no packet returns.
func SilentUDP(t testing.TB) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}
