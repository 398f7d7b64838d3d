package quicconn_test

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/moqlite/moqlite/transport/quicconn"
)

// A tunnel is a path between clients and a server that silently drops UDP
// payloads that are too large, and some others.
type tunnel struct {
	most atomic.Int64 // the largest payload in bytes
	loss atomic.Int64 // of the others, in percent

	tooLarge atomic.Int64 // counts those that were larger

	front  *net.UDPConn // to which clients send
	server *net.UDPAddr

	mu    sync.Mutex
	backs map[string]*net.UDPConn // by client, from which the server gets what it sends
	wg    sync.WaitGroup
}

// newTunnel makes a tunnel to a listener for payloads of at most most bytes.
func newTunnel(t *testing.T, l *quicconn.Listener, most int64) *tunnel {
	t.Helper()
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p := &tunnel{front: front, server: l.Addr().(*net.UDPAddr), backs: make(map[string]*net.UDPConn)}
	p.most.Store(most)
	_ = front.SetReadBuffer(4 << 20)
	p.wg.Go(p.forward)
	t.Cleanup(p.close)
	return p
}

// carries tells whether a payload of n bytes arrives.
func (p *tunnel) carries(n int) bool {
	if int64(n) > p.most.Load() {
		p.tooLarge.Add(1)
		return false
	}
	return rand.Int64N(100) >= p.loss.Load()
}

// url returns the URL that clients dial.
func (p *tunnel) url() string { return "moqt://" + p.front.LocalAddr().String() }

func (p *tunnel) forward() {
	b := make([]byte, 2048)
	for {
		n, client, err := p.front.ReadFromUDP(b)
		if err != nil {
			return
		}
		if back := p.back(client); back != nil && p.carries(n) {
			_, _ = back.Write(b[:n])
		}
	}
}

// back returns the socket that forwards what a client sends.
func (p *tunnel) back(client *net.UDPAddr) *net.UDPConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if back := p.backs[client.String()]; back != nil {
		return back
	}
	back, err := net.DialUDP("udp", nil, p.server)
	if err != nil {
		return nil
	}
	_ = back.SetReadBuffer(4 << 20)
	p.backs[client.String()] = back
	p.wg.Go(func() {
		b := make([]byte, 2048)
		for {
			n, err := back.Read(b)
			if err != nil {
				return
			}
			if p.carries(n) {
				_, _ = p.front.WriteToUDP(b[:n], client)
			}
		}
	})
	return back
}

func (p *tunnel) close() {
	_ = p.front.Close()
	p.mu.Lock()
	for _, back := range p.backs {
		_ = back.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
