package quicconn_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// before is the version that the server prefers at first.
const before = "moq-lite-05"

// oneWay is the one-way delay in an earlyNet.
const oneWay = 50 * time.Millisecond

// A slowRouter delivers packets after oneWay, unless it is cut.
type slowRouter struct {
	simnet.PerfectRouter
	mu  sync.Mutex
	cut bool
}

func (r *slowRouter) SendPacket(p simnet.Packet) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.cut {
		time.AfterFunc(oneWay, func() { _ = r.PerfectRouter.SendPacket(p) })
	}
	return nil
}

func (r *slowRouter) setCut(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
}

// An earlyNet is a server and a client that allow early data, over a slow
// network.
type earlyNet struct {
	t      *testing.T
	router *slowRouter
	server *tls.Config // of the connections to come
	mu     sync.Mutex

	listener *quicconn.Listener
	dialer   *quicconn.Dialer
}

func newEarlyNet(t *testing.T, serverAllows bool) *earlyNet {
	n := &earlyNet{t: t, router: new(slowRouter)}
	serverTLS, clientTLS := certtest.Pair(t)
	n.server = serverTLS.Clone()
	serverTLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.server, nil
	}
	clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	conf := quicconn.DefaultConfig()
	conf.Allow0RTT = serverAllows
	l, err := quicconn.Listen("", serverTLS, conf, quicconn.ListenOptions{
		Protocols: []string{protocol, before},
		Socket:    n.socket(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	n.listener = l
	conf = quicconn.DefaultConfig()
	conf.Allow0RTT = true
	n.dialer = &quicconn.Dialer{TLSConfig: clientTLS, QUICConfig: conf, Endpoint: &quicconn.Endpoint{Socket: n.socket(2)}}
	return n
}

func (n *earlyNet) socket(port int) net.PacketConn {
	return simnet.NewBlockingSimConn(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: port}, n.router)
}

// forget makes the server reject the TLS sessions of earlier connections.
func (n *earlyNet) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.server = n.server.Clone()
	n.server.SetSessionTicketKeys([][32]byte{{1}})
}

// close closes everything, after the server has received earlier closes.
func (n *earlyNet) close() {
	time.Sleep(10 * oneWay)
	_ = n.dialer.Close()
	_ = n.listener.Close()
}

// dial connects, and returns how long that took.
func (n *earlyNet) dial(protocols ...string) (transport.Conn, time.Duration) {
	n.t.Helper()
	began := time.Now()
	c, err := n.dialer.Dial(n.t.Context(), urlOf(n.listener), protocols)
	if err != nil {
		n.t.Fatal(err)
	}
	return c, time.Since(began)
}

// meet makes a connection and closes it once the client has a TLS session to
// resume.
func (n *earlyNet) meet(protocol string) {
	n.t.Helper()
	c, took := n.dial(protocol)
	if took < 2*oneWay {
		n.t.Errorf("connected to an unknown server after %v", took)
	}
	s, err := n.listener.Accept(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	time.Sleep(10 * oneWay)
	_ = c.CloseWithError(0, "")
	_ = s.CloseWithError(0, "")
	time.Sleep(10 * oneWay)
}

// An early is what the server received of a client with early data: the
// contents of the streams, in any order, and when the first had arrived.
type early struct {
	streams []string
	first   time.Duration
}

// serve accepts a number of streams, and echoes bidirectional ones.
func (n *earlyNet) serve(streams int) (got early) {
	began := time.Now()
	c, err := n.listener.Accept(n.t.Context())
	if err != nil {
		n.t.Error(err)
		return
	}
	results := make(chan string, streams)
	ctx, cancel := context.WithCancel(n.t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for {
			r, err := c.AcceptUniStream(ctx)
			if err != nil {
				return
			}
			work.Go(func() { results <- all(r) })
		}
	})
	work.Go(func() {
		for {
			s, err := c.AcceptStream(ctx)
			if err != nil {
				return
			}
			work.Go(func() {
				what := all(s)
				_, _ = s.Write([]byte("re: " + what))
				_ = s.Close()
				results <- what
			})
		}
	})
	for range streams {
		got.streams = append(got.streams, <-results)
		if got.first == 0 {
			got.first = time.Since(began)
		}
	}
	cancel()
	work.Wait()
	slices.Sort(got.streams)
	return got
}

// all returns the contents of a stream, and how it ends.
func all(r io.Reader) string {
	b, err := io.ReadAll(r)
	if len(b) > 100 {
		b = append(b[:5], "..."...)
	}
	if reset, ok := errors.AsType[*transport.StreamError](err); ok && reset.Code == 7 {
		return "reset"
	}
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestEarlyData sends early data to a server that accepts it, to one that has
// forgotten the client, and to one that does not allow it. The users of the
// connection cannot tell the difference.
func TestEarlyData(t *testing.T) {
	for _, c := range []struct {
		name    string
		allowed bool
		forgets bool
		first   time.Duration // until the server has a stream
	}{
		{"taken", true, false, oneWay},
		{"forgotten", true, true, 3 * oneWay},
		{"not allowed", false, false, 3 * oneWay},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newEarlyNet(t, c.allowed)
				defer n.close()
				n.meet(protocol)
				if c.forgets {
					n.forget()
				}
				got := make(chan early)
				go func() { got <- n.serve(5) }()
				conn, took := n.dial(protocol)
				if c.allowed && took >= oneWay {
					t.Errorf("connected to a known server after %v", took)
				}
				if p := conn.State().Protocol; p != protocol {
					t.Errorf("the protocol is %q", p)
				}
				var work sync.WaitGroup
				work.Go(func() { uni(t, conn, "closed", (transport.SendStream).Close) })
				work.Go(func() { uni(t, conn, strings.Repeat("large", 10_000), (transport.SendStream).Close) })
				work.Go(func() {
					uni(t, conn, "reset", func(s transport.SendStream) error { s.CancelWrite(7); return nil })
				})
				for _, what := range []string{"first", "second"} {
					work.Go(func() {
						if answer := ask(t, conn, what); answer != "re: "+what {
							t.Errorf("the answer is %q", answer)
						}
					})
				}
				served := <-got
				work.Wait()
				if want := []string{"closed", "first", "large...", "reset", "second"}; !slices.Equal(served.streams, want) {
					t.Errorf("the server got %q, want %q", served.streams, want)
				}
				if late := served.first - c.first; late < 0 || late > oneWay/2 {
					t.Errorf("the first stream was there after %v, want %v", served.first, c.first)
				}
				// Afterwards, all is as usual.
				go func() { _ = conn.CloseWithError(3, "done") }()
				<-conn.Context().Done()
			})
		})
	}
}

// uni sends what on a unidirectional stream.
func uni(t *testing.T, c transport.Conn, what string, end func(transport.SendStream) error) {
	s, err := c.OpenUniStream(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	s.(transport.Prioritizer).SetPriority(1, true)
	if n, err := s.Write([]byte(what)); n != len(what) || err != nil {
		t.Errorf("wrote %d of %d: %v", n, len(what), err)
	}
	if err := end(s); err != nil {
		t.Error(err)
	}
}

// ask sends what in two parts on a bidirectional stream, and returns the
// response.
func ask(t *testing.T, c transport.Conn, what string) string {
	s, err := c.OpenStream(t.Context())
	if err != nil {
		return err.Error()
	}
	half := len(what) / 2
	_ = s.SetReadDeadline(time.Now().Add(time.Minute))
	_, _ = s.Write([]byte(what[:half]))
	time.Sleep(oneWay / 10)
	if _, err := s.Write([]byte(what[half:])); err != nil {
		return err.Error()
	}
	_ = s.Close()
	return all(s)
}

// TestEarlyDataInAnotherVersion checks that the connection ends if the server
// now prefers another version, and that the next connection uses that version.
func TestEarlyDataInAnotherVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newEarlyNet(t, true)
		defer n.close()
		n.meet(before)
		for range 2 {
			go func() { _, _ = n.listener.Accept(t.Context()) }()
		}
		c, _ := n.dial(protocol, before)
		if _, err := c.AcceptUniStream(t.Context()); err == nil || !strings.Contains(err.Error(), "from "+before+" to "+protocol) {
			t.Errorf("accepting failed with %v", err)
		}
		if _, err := c.OpenStream(t.Context()); err == nil {
			t.Error("opened a stream")
		}
		c, _ = n.dial(protocol, before)
		if p := c.State().Protocol; p != protocol {
			t.Errorf("the next connection speaks %q", p)
		}
		_ = c.CloseWithError(0, "")
	})
}

// TestEarlyDataToNobody checks that the connection ends if the server is gone,
// and that the next dial waits for the handshake.
func TestEarlyDataToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newEarlyNet(t, true)
		defer n.close()
		n.meet(protocol)
		n.router.setCut(true)
		c, took := n.dial(protocol)
		if took != 0 {
			t.Errorf("connected after %v", took)
		}
		if answer := ask(t, c, "hello"); !strings.Contains(answer, "timeout") {
			t.Errorf("the answer is %q", answer)
		}
		_, err := n.dialer.Dial(t.Context(), urlOf(n.listener), []string{protocol})
		if _, ok := errors.AsType[*transport.DialError](err); !ok {
			t.Errorf("the next dial failed with %v", err)
		}
	})
}

// TestNoEarlyDataUnasked checks that a dial waits for the handshake without
// Allow0RTT, or without a session cache.
func TestNoEarlyDataUnasked(t *testing.T) {
	for name, change := range map[string]func(*quicconn.Dialer){
		"not allowed": func(d *quicconn.Dialer) { d.QUICConfig = nil },
		"no cache":    func(d *quicconn.Dialer) { d.TLSConfig.ClientSessionCache = nil },
		"another name": func(d *quicconn.Dialer) {
			d.TLSConfig.ServerName = "localhost" // for which there is no session
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newEarlyNet(t, true)
				defer n.close()
				n.meet(protocol)
				change(n.dialer)
				c, took := n.dial(protocol)
				if took < 2*oneWay {
					t.Errorf("connected after %v", took)
				}
				_ = c.CloseWithError(0, "")
			})
		})
	}
}

// TestEarlyConnectionOutlivesItsListener closes a listener while a connection
// that was accepted with early data is still in its handshake.
func TestEarlyConnectionOutlivesItsListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newEarlyNet(t, true)
		defer n.close()
		n.meet(protocol)
		got := make(chan early)
		closed := make(chan struct{})
		go func() {
			time.Sleep(oneWay + oneWay/2)
			_ = n.listener.Close()
			close(closed)
		}()
		go func() { got <- n.serve(1) }()
		c, _ := n.dial(protocol)
		if answer := ask(t, c, "hello"); answer != "re: hello" {
			t.Errorf("the answer is %q", answer)
		}
		<-got
		<-closed
		_ = c.CloseWithError(0, "")
	})
}
