package wire_test

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"testing"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/mocks"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/tlspin"
	"github.com/moqlite/moqlite/transport/transporttest"
	"github.com/moqlite/moqlite/wire"
)

// TestInjectors dials a server of the server's injector with each client that
// reaches it.
func TestInjectors(t *testing.T) {
	transporttest.NoLeaks(t)
	cert, err := devcert.New()
	if err != nil {
		t.Fatal(err)
	}
	server, closeServer := wire.NewServer(wire.Options{
		Addr: "127.0.0.1:0", Mux: api.NewTrackMux(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
	})
	defer closeServer()
	addr, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ListenAndServe() }()
	byUDP := listenUDP(t, cert)
	options := wire.Options{TLSConfig: tlspin.Config(nil, devcert.Fingerprint(cert))}
	for _, test := range []struct {
		name      string
		inject    func(wire.Options) (api.Client, func())
		url, over string
	}{
		{"NewClient", wire.NewClient, "moqt://" + addr.String(), "quic"},
		{"NewClient", wire.NewClient, "https://" + byUDP, "webtransport"}, // which has no head start to lose
		{"NewQUICClient", wire.NewQUICClient, "moqt://" + addr.String(), "quic"},
		{"NewClient", wire.NewClient, "wss://" + addr.String(), "websocket"},
		{"NewClient", wire.NewClient, "ws://" + addr.String(), "websocket"},
		{"NewClient", wire.NewClient, "tls://" + addr.String(), "tls"},
		{"NewClient", wire.NewClient, "tcp://" + addr.String(), "tcp"},
		{"NewWebTransportClient", wire.NewWebTransportClient, "https://" + addr.String(), "webtransport"},
		{"NewWebSocketClient", wire.NewWebSocketClient, "wss://" + addr.String(), "websocket"},
	} {
		t.Run(test.name+" "+test.over, func(t *testing.T) {
			client, cleanup := test.inject(options)
			defer cleanup()
			s, err := client.Dial(t.Context(), test.url, api.NewTrackMux())
			if err != nil {
				t.Fatal(err)
			}
			if got := s.State().Transport; got != test.over {
				t.Errorf("over %s, want %s", got, test.over)
			}
			cleanup()
			if _, err := client.Dial(t.Context(), test.url, nil); !errors.Is(err, api.ErrClientClosed) {
				t.Errorf("after the cleanup: %v", err)
			}
		})
	}
}

// listenUDP starts a server that is reached by UDP alone, and returns its address.
func listenUDP(t *testing.T, cert tls.Certificate) string {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &impl.Server{Socket: socket, Mux: api.NewTrackMux(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	t.Cleanup(func() { _ = server.Close() })
	addr, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ListenAndServe() }()
	return addr.String()
}

func TestClientOfAMockedTransport(t *testing.T) {
	dialer := mocks.NewMockTransportDialer(gomock.NewController(t))
	dialer.EXPECT().Dial(gomock.Any(), "moqt://relay.example.com", []string{"moq-lite-06", "moq-lite-05", "moq-lite-04", "moq-lite-03"}).
		Return(nil, &transport.DialError{Transport: "mock", Phase: transport.PhaseUpgrade, Err: transport.ErrUnauthorized})
	client, cleanup := wire.NewClientWith(dialer, wire.Options{})
	defer cleanup()
	_, err := client.Dial(t.Context(), "moqt://relay.example.com", nil)
	failed, ok := errors.AsType[*api.DialError](err)
	if !errors.Is(err, api.ErrUnauthorized) || !ok || failed.Phase != api.PhaseUpgrade || failed.Transport != "mock" {
		t.Errorf("dial: %v", err)
	}
}

// TestDecorate checks that a client dials through the decorated dialer, that its
// options still reach the dialer below, and that both are closed with it.
func TestDecorate(t *testing.T) {
	inner := &closing{TargetDialer: mocks.NewMockTargetDialer(gomock.NewController(t))}
	inner.TargetDialer.(*mocks.MockTargetDialer).EXPECT().DialTarget(gomock.Any(), gomock.Any(), gomock.Any()).
		Return(nil, &transport.DialError{Phase: transport.PhaseConnect, Err: errors.New("nobody")})
	var dialled []string
	client, cleanup := wire.NewClientWith(inner, wire.Options{Decorate: func(d transport.Dialer) transport.Dialer {
		return transport.Observe(d, transport.Hooks{DialStart: func(url string) { dialled = append(dialled, url) }})
	}})
	if _, err := client.Dial(t.Context(), "moqt://relay.example.com/room", nil); err == nil {
		t.Error("the dial succeeds")
	}
	if !slices.Equal(dialled, []string{"moqt://relay.example.com/room"}) {
		t.Errorf("dialled %q", dialled)
	}
	if cleanup(); inner.closed == 0 {
		t.Error("the dialer below is not closed")
	}

	inner.closed = 0
	_, cleanup = wire.NewClientWith(inner, wire.Options{Decorate: func(d transport.Dialer) transport.Dialer {
		return transport.DialerFunc(d.Dial)
	}})
	if cleanup(); inner.closed != 1 {
		t.Errorf("below a wrapper without Unwrap, the dialer is closed %d times", inner.closed)
	}
}

// closing is a dialer that counts its closes.
type closing struct {
	transport.TargetDialer
	closed int
}

func (d *closing) Close() error {
	d.closed++
	return nil
}
