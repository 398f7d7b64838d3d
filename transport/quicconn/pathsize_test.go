package quicconn_test

import (
	"context"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// A passage is a connection through a tunnel whose path has been found to
// carry the largest packets.
type passage struct {
	*tunnel
	listener       *quicconn.Listener
	dialer         *quicconn.Dialer
	client, server transport.Conn
}

func newPassage(t *testing.T) *passage {
	t.Helper()
	l, d := listen(t, nil, quicconn.ListenOptions{Protocols: []string{protocol}})
	p := &passage{tunnel: newTunnel(t, l, 1500), listener: l, dialer: d}
	p.client, p.server = p.dial(t)
	p.widen(t, p.client, 1380)
	p.widen(t, p.server, 1380)
	return p
}

// dial makes another connection.
func (p *passage) dial(t *testing.T) (client, server transport.Conn) {
	t.Helper()
	client, err := p.dialer.Dial(t.Context(), p.url(), []string{protocol})
	if err != nil {
		t.Fatal(err)
	}
	if server, err = p.listener.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.CloseWithError(0, "")
		_ = server.CloseWithError(0, "")
	})
	return client, server
}

// widen waits until a side sends packets that hold a datagram of so many bytes.
func (p *passage) widen(t *testing.T, c transport.Conn, datagram int) {
	t.Helper()
	large := make([]byte, datagram)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if c.(transport.DatagramConn).SendDatagram(large) == nil {
			return
		}
		if err := c.(transport.DatagramConn).SendDatagram(large[:1]); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the path is not found to be large")
}

// carry sends a number of bytes at once, and returns the time until they have
// arrived.
func carry(ctx context.Context, from, to transport.Conn, bytes int) (time.Duration, error) {
	begin := time.Now()
	sent := make(chan error, 1)
	go func() {
		s, err := from.OpenUniStream(ctx)
		if err == nil {
			if _, err = s.Write(make([]byte, bytes)); err == nil {
				err = s.Close()
			}
		}
		sent <- err
	}()
	r, err := to.AcceptUniStream(ctx)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	if err == nil {
		err = <-sent
	}
	return time.Since(begin), err
}

// When a path shrinks, what the server sends still arrives within seconds on
// the same connection, also when the path shrinks again.
func TestServerSurvivesShrunkPath(t *testing.T) {
	transporttest.NoLeaks(t)
	p := newPassage(t)
	for i, most := range []int64{smallPath, smallPath - 30} {
		if i > 0 {
			p.widen(t, p.server, smallPath-60)
		}
		p.most.Store(most)
		took, err := carry(t.Context(), p.server, p.client, 1<<20)
		if err != nil || took > 6500*time.Millisecond {
			t.Fatalf("1 MiB took %v: %v", took, err)
		}
		t.Logf("1 MiB took %v", took)
	}
	_, server := p.dial(t) // by the same way
	if at := server.State().Remote.(*net.UDPAddr); at.Port > math.MaxUint16 {
		t.Errorf("a client is at %v", at)
	}
}

// A client's connection over a path that shrinks ends within seconds, with an
// error that says why; the packets of the next one fit.
func TestClientNoticesShrunkPath(t *testing.T) {
	transporttest.NoLeaks(t)
	p := newPassage(t)
	p.most.Store(smallPath)
	begin := time.Now()
	if _, err := carry(p.client.Context(), p.client, p.server, 1<<20); err == nil {
		t.Fatal("all arrived")
	}
	<-p.client.Context().Done()
	cause := context.Cause(p.client.Context())
	if took := time.Since(begin); took > 5*time.Second || cause == nil || !strings.Contains(cause.Error(), "carries UDP payloads of 1252 bytes") {
		t.Fatalf("after %v: %v", took, cause)
	}
	t.Logf("after %v: %v", time.Since(begin), cause)
	before := p.tooLarge.Load()
	client, server := p.dial(t)
	_, err := carry(t.Context(), client, server, 1<<20)
	// Of more than 800 packets, only those that probe for a larger size do not fit.
	if n := p.tooLarge.Load() - before; err != nil || n > 20 {
		t.Errorf("1 MiB over the next connection: %v; %d packets were too large", err, n)
	}
}

// A connection over a bad path, or whose peer does not read, stays open.
func TestPathsThatDoNotShrink(t *testing.T) {
	transporttest.NoLeaks(t)
	for name, spoil := range map[string]func(*passage){
		"20 % of packets get lost": func(p *passage) { p.loss.Store(20); time.Sleep(5 * time.Second) },
		"nothing passes for 5 s":   func(p *passage) { p.loss.Store(100); time.Sleep(5 * time.Second) },
		"large and small get lost": func(p *passage) { p.loss.Store(60); time.Sleep(5 * time.Second) },
		"nobody reads":             func(*passage) { time.Sleep(5 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPassage(t)
			var readers []transport.ReceiveStream
			for _, way := range [][2]transport.Conn{{p.client, p.server}, {p.server, p.client}} {
				s, err := way[0].OpenUniStream(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				go func() { _, _ = s.Write(make([]byte, 32<<20)) }()
				r, err := way[1].AcceptUniStream(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				readers = append(readers, r)
			}
			if name != "nobody reads" {
				for _, r := range readers {
					go func() { _, _ = io.Copy(io.Discard, r) }()
				}
			}
			spoil(p)
			p.loss.Store(0)
			for _, c := range []transport.Conn{p.client, p.server} {
				if cause := context.Cause(c.Context()); cause != nil {
					t.Fatal(cause)
				}
			}
			if name == "nobody reads" {
				for _, r := range readers {
					r.CancelRead(0)
				}
			}
			for _, way := range [][2]transport.Conn{{p.client, p.server}, {p.server, p.client}} {
				ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
				if _, err := carry(ctx, way[0], way[1], 1000); err != nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
}
