//go:build unix

package interop_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A middlebox lies between clients and servers: it forwards UDP and TCP from
// its address to that of a server, and can disturb both. A client's flow stays
// with the server at which it began, as behind a load balancer.
type middlebox struct {
	addr    string
	backend atomic.Pointer[string] // for flows that begin now

	loss   atomic.Int64 // of UDP packets, in percent
	noUDP  atomic.Bool
	silent atomic.Bool // nothing passes

	udp *net.UDPConn
	tcp net.Listener

	mu    sync.Mutex
	flows map[string]*flow
	wg    sync.WaitGroup
	done  chan struct{}
}

// A flow is the traffic of one client, with the socket by which the server gets
// it.
type flow struct {
	client  *net.UDPAddr
	backend *net.UDPAddr
	out     atomic.Pointer[net.UDPConn]
}

func newMiddlebox(t *testing.T, backend string) *middlebox {
	t.Helper()
	m := &middlebox{addr: freePort(t), flows: make(map[string]*flow), done: make(chan struct{})}
	m.backend.Store(&backend)
	at, err := net.ResolveUDPAddr("udp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	if m.udp, err = net.ListenUDP("udp", at); err != nil {
		t.Fatal(err)
	}
	widen(m.udp)
	if m.tcp, err = net.Listen("tcp", m.addr); err != nil {
		t.Fatal(err)
	}
	m.wg.Go(m.forwardUDP)
	m.wg.Go(m.forwardTCP)
	t.Cleanup(m.close)
	return m
}

// widen enlarges a socket's buffer, for packets that come while this process
// does not run.
func widen(c *net.UDPConn) {
	_ = c.SetReadBuffer(4 << 20)
	_ = c.SetWriteBuffer(4 << 20)
}

func (m *middlebox) close() {
	close(m.done)
	_ = m.udp.Close()
	_ = m.tcp.Close()
	m.mu.Lock()
	for _, f := range m.flows {
		_ = f.out.Load().Close()
	}
	m.mu.Unlock()
	m.wg.Wait()
}

// swallows reports whether a packet is dropped.
func (m *middlebox) swallows() bool {
	return m.silent.Load() || m.noUDP.Load() || rand.Int64N(100) < m.loss.Load()
}

func (m *middlebox) forwardUDP() {
	buf := make([]byte, 1<<16)
	for {
		n, client, err := m.udp.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if m.swallows() {
			continue
		}
		if f := m.flow(client); f != nil {
			_, _ = f.out.Load().WriteToUDP(buf[:n], f.backend)
		}
	}
}

// flow returns the flow of a client, and begins it if there is none.
func (m *middlebox) flow(client *net.UDPAddr) *flow {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.flows[client.String()]; f != nil {
		return f
	}
	backend, err := net.ResolveUDPAddr("udp", *m.backend.Load())
	if err != nil {
		return nil
	}
	f := &flow{client: client, backend: backend}
	if !m.connect(f, "127.0.0.1") {
		return nil
	}
	m.flows[client.String()] = f
	return f
}

// connect makes a flow reach the server from a new port at ip.
func (m *middlebox) connect(f *flow, ip string) bool {
	out, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		return false
	}
	widen(out)
	if old := f.out.Swap(out); old != nil {
		_ = old.Close()
	}
	m.wg.Go(func() { m.answer(f, out) })
	return true
}

func (m *middlebox) answer(f *flow, out *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, err := out.Read(buf)
		if err != nil {
			return
		}
		if !m.swallows() {
			_, _ = m.udp.WriteToUDP(buf[:n], f.client)
		}
	}
}

// rebind makes all clients appear to come from another address.
func (m *middlebox) rebind(ip string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.flows {
		m.connect(f, ip)
	}
}

func (m *middlebox) forwardTCP() {
	for {
		c, err := m.tcp.Accept()
		if err != nil {
			return
		}
		m.wg.Go(func() {
			defer c.Close()
			s, err := net.Dial("tcp", *m.backend.Load())
			if err != nil {
				return
			}
			defer s.Close()
			m.join(c, s)
		})
	}
}

// join copies bytes between a client and a server until either closes.
func (m *middlebox) join(a, b net.Conn) {
	left := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		m.wg.Go(func() {
			_, _ = io.Copy(way[0], stalling{m, way[1]})
			left <- struct{}{}
		})
	}
	select {
	case <-left:
	case <-m.done:
	}
}

// A stalling is a connection on which nothing arrives while the middlebox is
// silent.
type stalling struct {
	box *middlebox
	net.Conn
}

func (s stalling) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	for s.box.silent.Load() && err == nil {
		select {
		case <-s.box.done:
			return 0, net.ErrClosed
		case <-time.After(10 * time.Millisecond):
		}
	}
	return n, err
}
