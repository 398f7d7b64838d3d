package transporttest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A Cable is a proxy between clients and a server on this machine: it forwards
// TCP connections and UDP packets that reach its Addr, until it is cut.
// To a client it is the server, so everything that goes through it may be lost at any
// moment, and neither end is told.
type Cable struct {
	// Addr is the address to dial. The port is the same for TCP and UDP.
	Addr string

	server string
	tcp    net.Listener
	udp    net.PacketConn

	mu    sync.Mutex
	conns map[net.Conn]struct{} // of TCP
	flows map[string]net.Conn   // of UDP, by the client's address; nil: cut
	wg    sync.WaitGroup
}

// NewCable starts a Cable to a server at host:port. It stops when the test
// ends.
func NewCable(t testing.TB, server string) *Cable {
	t.Helper()
	c := &Cable{server: server, conns: make(map[net.Conn]struct{}), flows: make(map[string]net.Conn)}
	var err error
	// Transports with a fallback dial the same port by UDP and by TCP.
	if c.tcp, c.udp, err = listenBoth(); err != nil {
		t.Fatal(err)
	}
	c.Addr = c.tcp.Addr().String()
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

// listenBoth listens on a TCP and a UDP port of one number. The system chooses a number that
// is free for TCP; if a socket of another test has it for UDP, another number is chosen.
func listenBoth() (tcp net.Listener, udp net.PacketConn, err error) {
	for range 20 {
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, nil, err
		}
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			return tcp, udp, nil
		}
		tcp.Close()
	}
	return nil, nil, err
}

// Cut breaks all connections that exist now: those of TCP are closed at both
// ends, as by a proxy that is stopped, and UDP packets from or to the clients
// seen so far are dropped. Later connections work.
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

// forwardTCP connects each client to the server until the listener is closed. A
// client whose connection the server refuses is closed too.
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

// pass copies one direction of a TCP connection, and then closes both ends.
func (c *Cable) pass(from, to net.Conn) {
	// Half-closed connections are not kept: what runs over them closes both
	// halves at once.
	io.Copy(to, from)
	from.Close()
	to.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, from)
	delete(c.conns, to)
}

// forwardUDP passes packets on to the server until the socket is closed. Packets that
// cannot be sent are lost, as on a network.
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

// flow returns the connection to the server for a UDP client; nil if that was
// cut.
func (c *Cable) flow(client net.Addr) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A client that was cut stays cut: its packets would reach a server that
	// still has its connection, and nothing would be broken.
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
