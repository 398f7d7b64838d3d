package transporttest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A Cable lies between clients and a server of this machine: what comes over
// TCP or UDP to its Addr goes on to the server, until it is cut.
type Cable struct {
	// Addr is the address to dial, of the same port for TCP and UDP.
	Addr string

	server string
	tcp    net.Listener
	udp    net.PacketConn

	mu    sync.Mutex
	conns map[net.Conn]struct{} // of TCP
	flows map[string]net.Conn   // of UDP, by the client's address; nil: cut
	wg    sync.WaitGroup
}

// NewCable makes a Cable to a server's host:port. It ends with the test.
func NewCable(t testing.TB, server string) *Cable {
	t.Helper()
	c := &Cable{server: server, conns: make(map[net.Conn]struct{}), flows: make(map[string]net.Conn)}
	var err error
	if c.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	c.Addr = c.tcp.Addr().String()
	if c.udp, err = net.ListenPacket("udp", c.Addr); err != nil {
		t.Fatal(err)
	}
	c.wg.Go(c.forwardTCP)
	c.wg.Go(c.forwardUDP)
	t.Cleanup(func() {
		c.tcp.Close()
		c.udp.Close()
		c.Cut()
		c.wg.Wait()
	})
	return c
}

// Cut ends everything that goes over the Cable now: a connection of TCP is
// closed at both ends, as by a proxy that is stopped, and of UDP no packet gets
// through any more, from or to the same client address. What is dialled later
// gets through.
func (c *Cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
	clear(c.conns)
	for client, flow := range c.flows {
		if flow != nil {
			flow.Close()
			c.flows[client] = nil
		}
	}
}

func (c *Cable) forwardTCP() {
	for {
		client, err := c.tcp.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.server)
		if err != nil {
			client.Close()
			continue
		}
		c.mu.Lock()
		c.conns[client], c.conns[server] = struct{}{}, struct{}{}
		c.mu.Unlock()
		c.wg.Go(func() { c.pass(client, server) })
		c.wg.Go(func() { c.pass(server, client) })
	}
}

// pass copies one direction of a connection of TCP, and ends both with it.
func (c *Cable) pass(from, to net.Conn) {
	io.Copy(to, from)
	from.Close()
	to.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, from)
	delete(c.conns, to)
}

func (c *Cable) forwardUDP() {
	packet := make([]byte, 1<<16)
	for {
		n, client, err := c.udp.ReadFrom(packet)
		if err != nil {
			return
		}
		if flow := c.flow(client); flow != nil {
			flow.Write(packet[:n])
		}
	}
}

// flow is the way to the server for a client of UDP; nil where that is cut.
func (c *Cable) flow(client net.Addr) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	flow, known := c.flows[client.String()]
	if known {
		return flow
	}
	flow, err := net.Dial("udp", c.server)
	if err != nil {
		return nil
	}
	c.flows[client.String()] = flow
	c.wg.Go(func() {
		packet := make([]byte, 1<<16)
		for {
			n, err := flow.Read(packet)
			if err != nil {
				return
			}
			c.udp.WriteTo(packet[:n], client)
		}
	})
	return flow
}
