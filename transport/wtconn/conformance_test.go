package wtconn_test

import (
	"context"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/internal/listentest"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
	"github.com/moqlite/moqlite/transport/wtconn"
)

const protocol = "moq-lite-06"

// all are the abilities of either end.
var all = []transporttest.Ability{
	transporttest.Datagrams, transporttest.Statistics, transporttest.CarriesURL, transporttest.TryWrites, transporttest.Priorities,
}

func TestConformance(t *testing.T) {
	transporttest.TestConn(t, transporttest.Options{
		Client: all,
		Server: all,
		Dialer: []transporttest.Ability{transporttest.Targets, transporttest.Closing},
		Pair:   func(t *testing.T) (client, server transport.Conn) { return pair(t, nil) },
		Small:  func(t *testing.T) (client, server transport.Conn) { return pair(t, small()) },
		Cut:    breakable,
		Listen: endpoint,
	})
}

// small returns a configuration with low limits, which the suite can reach.
// HTTP/3 needs some streams too.
func small() *quic.Config {
	c := quicconn.DefaultConfig()
	c.MaxIncomingStreams, c.MaxIncomingUniStreams = 5, 5
	c.InitialStreamReceiveWindow, c.MaxStreamReceiveWindow = 64<<10, 64<<10
	c.InitialConnectionReceiveWindow, c.MaxConnectionReceiveWindow = 160<<10, 160<<10
	return c
}

func pair(t *testing.T, conf *quic.Config) (client, server transport.Conn) {
	t.Helper()
	l, d := listen(t, conf, []string{protocol})
	return connect(t, l, d, l.url())
}

// breakable makes a pair, and a function that breaks the connection.
func breakable(t *testing.T) (client, server transport.Conn, cut func()) {
	t.Helper()
	l, d := listen(t, impatient(), []string{protocol})
	cable := transporttest.NewCable(t, l.Addr().String())
	client, server = connect(t, l, d, urlAt(cable.Addr))
	return client, server, cable.Cut
}

// impatient returns a configuration with which a broken connection is noticed
// soon.
func impatient() *quic.Config {
	c := quicconn.DefaultConfig()
	c.MaxIdleTimeout, c.KeepAlivePeriod = time.Second, 300*time.Millisecond
	return c
}

func connect(t *testing.T, l *listener, d *wtconn.Dialer, url string) (client, server transport.Conn) {
	t.Helper()
	client, err := d.Dial(t.Context(), url, []string{protocol})
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// A listener adapts a Server to transport.Listener.
type listener struct {
	*quicconn.Listener
	server *wtconn.Server
	leaf   []byte // the certificate
	conns  listentest.Queue
}

// listen makes a server, with options, and a dialer that trusts it.
func listen(t *testing.T, conf *quic.Config, protocols []string, options ...func(*wtconn.Server)) (*listener, *wtconn.Dialer) {
	t.Helper()
	serverTLS, clientTLS := certtest.Pair(t)
	l := &listener{leaf: serverTLS.Certificates[0].Certificate[0], conns: listentest.NewQueue()}
	l.server = &wtconn.Server{
		Protocols: protocols,
		Accept: func(context.Context, transport.State) (func(transport.Conn), error) {
			return l.conns.Push, nil
		},
	}
	for _, o := range options {
		o(l.server)
	}
	var err error
	l.Listener, err = quicconn.Listen("127.0.0.1:0", serverTLS, conf, quicconn.ListenOptions{H3: l.server.ServeQUICConn})
	if err != nil {
		t.Fatal(err)
	}
	d := &wtconn.Dialer{TLSConfig: clientTLS, QUICConfig: conf}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := l.server.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, d
}

// An acceptFunc decides on sessions.
type acceptFunc = func(context.Context, transport.State) (func(transport.Conn), error)

// accepting is a server's option.
func accepting(f acceptFunc) func(*wtconn.Server) { return func(s *wtconn.Server) { s.Accept = f } }

func (l *listener) url() string { return urlAt(l.Addr().String()) }

func urlAt(addr string) string { return "https://" + addr + "/live/é?token=x%20y" }

func (l *listener) Accept(ctx context.Context) (transport.Conn, error) { return l.conns.Accept(ctx) }

func (l *listener) Close() error {
	err := l.Listener.Close()
	l.conns.Close()
	return err
}

func endpoint(t *testing.T, protocols []string) transporttest.Endpoint {
	l, d := listen(t, nil, protocols)
	return transporttest.Endpoint{
		Listener:  l,
		Dialer:    d,
		URL:       l.url(),
		DeadURL:   "https://" + listentest.UnusedUDP(t),
		SilentURL: "https://" + listentest.SilentUDP(t),
	}
}
