package quicconn_test

import (
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/internal/listentest"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

const protocol = "moq-lite-06"

func TestConformance(t *testing.T) {
	all := []transporttest.Ability{
		transporttest.Datagrams, transporttest.Statistics, transporttest.TryWrites, transporttest.Priorities,
	}
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
func small() *quic.Config {
	c := quicconn.DefaultConfig()
	c.MaxIncomingStreams, c.MaxIncomingUniStreams = 4, 4
	c.InitialStreamReceiveWindow, c.MaxStreamReceiveWindow = 64<<10, 64<<10
	c.InitialConnectionReceiveWindow, c.MaxConnectionReceiveWindow = 160<<10, 160<<10
	return c
}

func pair(t *testing.T, conf *quic.Config) (client, server transport.Conn) {
	t.Helper()
	l, d := listen(t, conf, quicconn.ListenOptions{Protocols: []string{protocol}})
	return connect(t, l, d, urlOf(l))
}

// breakable makes a pair, and a function that breaks the connection.
func breakable(t *testing.T) (client, server transport.Conn, cut func()) {
	t.Helper()
	l, d := listen(t, impatient(), quicconn.ListenOptions{Protocols: []string{protocol}})
	cable := transporttest.NewCable(t, l.Addr().String())
	client, server = connect(t, l, d, "moqt://"+cable.Addr)
	return client, server, cable.Cut
}

// impatient returns a configuration with which a broken connection is noticed
// soon.
func impatient() *quic.Config {
	c := quicconn.DefaultConfig()
	c.MaxIdleTimeout, c.KeepAlivePeriod = time.Second, 300*time.Millisecond
	return c
}

func connect(t *testing.T, l *quicconn.Listener, d *quicconn.Dialer, url string) (client, server transport.Conn) {
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

// listen makes a listener, and a dialer that trusts it.
func listen(t *testing.T, conf *quic.Config, o quicconn.ListenOptions) (*quicconn.Listener, *quicconn.Dialer) {
	t.Helper()
	serverTLS, clientTLS := certtest.Pair(t)
	l, err := quicconn.Listen("127.0.0.1:0", serverTLS, conf, o)
	if err != nil {
		t.Fatal(err)
	}
	d := &quicconn.Dialer{TLSConfig: clientTLS, QUICConfig: conf}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, d
}

func urlOf(l *quicconn.Listener) string { return "moqt://" + l.Addr().String() + "/live?token=x" }

func endpoint(t *testing.T, protocols []string) transporttest.Endpoint {
	l, d := listen(t, nil, quicconn.ListenOptions{Protocols: protocols})
	return transporttest.Endpoint{
		Listener:  l,
		Dialer:    d,
		URL:       urlOf(l),
		DeadURL:   "moqt://" + listentest.UnusedUDP(t),
		SilentURL: "moqt://" + listentest.SilentUDP(t),
	}
}
