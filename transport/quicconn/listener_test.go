package quicconn_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

func TestListenRefuses(t *testing.T) {
	transporttest.NoLeaks(t)
	serverTLS, _ := certtest.Pair(t)
	some := quicconn.ListenOptions{Protocols: []string{protocol}}
	for _, c := range []struct {
		addr string
		tls  *tls.Config
		o    quicconn.ListenOptions
	}{
		{"127.0.0.1:0", nil, some},
		{"127.0.0.1:0", serverTLS, quicconn.ListenOptions{}},
		{"127.0.0.1:notaport", serverTLS, some},
		{"192.0.2.1:0", serverTLS, some},
	} {
		if l, err := quicconn.Listen(c.addr, c.tls, nil, c.o); err == nil {
			l.Close()
			t.Errorf("listens at %q with %+v", c.addr, c.o)
		}
	}
}

// The server's order decides, and h3 comes last.
func TestListenerPrefers(t *testing.T) {
	transporttest.NoLeaks(t)
	served := make(chan *quic.Conn, 1)
	l, d := listen(t, nil, quicconn.ListenOptions{
		Protocols: []string{"moq-lite-06", "moq-lite-05"},
		H3:        func(q *quic.Conn) error { served <- q; return nil },
	})
	for _, c := range []struct {
		offered []string
		want    string
	}{
		{[]string{"moq-lite-05", "moq-lite-06"}, "moq-lite-06"},
		{[]string{"h3", "moq-lite-05"}, "moq-lite-05"},
		{[]string{"h3"}, "h3"},
	} {
		client, err := d.Dial(t.Context(), urlOf(l), c.offered)
		if err != nil {
			t.Fatal(err)
		}
		if got := client.State().Protocol; got != c.want {
			t.Errorf("of %q: %q", c.offered, got)
		}
		if c.want == "h3" {
			(<-served).CloseWithError(0, "")
		} else if server, err := l.Accept(t.Context()); err != nil {
			t.Error(err)
		} else if got := server.State().Protocol; got != c.want {
			t.Errorf("of %q: the server says %q", c.offered, got)
		}
		client.CloseWithError(0, "")
	}
}

func TestTLSConfigForClient(t *testing.T) {
	transporttest.NoLeaks(t)
	serverTLS, clientTLS := certtest.Pair(t)
	chosen := serverTLS.Clone()
	serverTLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }
	l, err := quicconn.Listen("127.0.0.1:0", serverTLS, nil, quicconn.ListenOptions{Protocols: []string{protocol}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := &quicconn.Dialer{TLSConfig: clientTLS}
	defer d.Close()
	c, err := d.Dial(t.Context(), urlOf(l), []string{protocol})
	if err != nil {
		t.Fatal(err)
	}
	c.CloseWithError(0, "")
	if len(chosen.NextProtos) != 0 {
		t.Errorf("the user's configuration has the protocols %q", chosen.NextProtos)
	}
}

// Connections beyond the backlog are closed.
func TestBacklog(t *testing.T) {
	transporttest.NoLeaks(t)
	l, d := listen(t, nil, quicconn.ListenOptions{Protocols: []string{protocol}, Backlog: 2})
	var refused int
	for range 4 {
		c, err := d.Dial(t.Context(), urlOf(l), []string{protocol})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseWithError(0, "")
		select {
		case <-c.Context().Done():
			refused++
			if e := context.Cause(c.Context()).(*transport.ConnError); e.Code != 1 || !e.Remote {
				t.Errorf("refused with %v", e)
			}
		case <-time.After(100 * time.Millisecond):
		}
	}
	if refused != 2 {
		t.Errorf("%d of 4 were refused, want 2", refused)
	}
}

// Handshakes that do not complete are limited in number and time.
func TestHandshakeLimits(t *testing.T) {
	transporttest.NoLeaks(t)
	l, trusting := listen(t, nil, quicconn.ListenOptions{
		Protocols: []string{protocol}, MaxHandshakes: 4, HandshakeTimeout: 500 * time.Millisecond,
	})
	stalled := stall(t, l.Addr(), 8)
	time.Sleep(100 * time.Millisecond)
	err := dialFails(t, trusting, urlOf(l))
	wantDialError(t, err, transport.PhaseConnect, "accepts no more connections")
	stalled()
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := trusting.Dial(t.Context(), urlOf(l), []string{protocol})
		if err == nil {
			c.CloseWithError(0, "")
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// stall starts handshakes whose clients receive no answers, and returns a
// function that ends them.
func stall(t *testing.T, addr net.Addr, n int) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range n {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		e := &quicconn.Endpoint{Socket: deaf{c}}
		wg.Go(func() {
			defer e.Close()
			_, err := e.Dial(ctx, addr.String(), []string{protocol}, nil, nil)
			if !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "accepts no more") {
				t.Log(err)
			}
		})
	}
	end = func() { cancel(); wg.Wait() }
	t.Cleanup(end)
	return end
}

// A deaf socket drops received packets, except for those that ask for a proof
// of the address.
type deaf struct{ net.PacketConn }

func (d deaf) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, addr, err := d.PacketConn.ReadFrom(b)
		if isRetry := n > 0 && b[0]&0xf0 == 0xf0; err != nil || isRetry {
			return n, addr, err
		}
	}
}

func (d deaf) SetReadBuffer(int) error  { return nil }
func (d deaf) SetWriteBuffer(int) error { return nil }

// A listener whose socket fails says so.
func TestSocketFails(t *testing.T) {
	transporttest.NoLeaks(t)
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serverTLS, _ := certtest.Pair(t)
	l, err := quicconn.Listen("", serverTLS, nil, quicconn.ListenOptions{Protocols: []string{protocol}, Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	time.AfterFunc(10*time.Millisecond, func() { socket.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := l.Accept(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("Accept: %v", err)
	}
}
