package wsconn_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/internal/listentest"
	"github.com/moqlite/moqlite/transport/transporttest"
	"github.com/moqlite/moqlite/transport/wsconn"
)

const protocol = "moq-lite-06"

// small has low limits, which the suite can reach.
var small = &wsconn.Config{MaxStreams: 4, MaxUniStreams: 4, StreamWindow: 64 << 10, ConnWindow: 160 << 10}

func TestConformance(t *testing.T) {
	for _, scheme := range []string{"ws", "wss", "tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			if testing.Short() && (scheme == "wss" || scheme == "tls") {
				t.Skip("short")
			}
			abilities := []transporttest.Ability{transporttest.Datagrams, transporttest.Statistics, transporttest.Priorities}
			if scheme == "ws" || scheme == "wss" {
				abilities = append(abilities, transporttest.CarriesURL)
			}
			transporttest.TestConn(t, transporttest.Options{
				Parallel: true,
				Client:   abilities,
				Server:   abilities,
				Dialer:   []transporttest.Ability{transporttest.Targets},
				Pair:     func(t *testing.T) (client, server transport.Conn) { return pair(t, scheme, nil) },
				Small:    func(t *testing.T) (client, server transport.Conn) { return pair(t, scheme, small) },
				Cut: func(t *testing.T) (client, server transport.Conn, cut func()) {
					return breakable(t, scheme)
				},
				Listen: func(t *testing.T, protocols []string) transporttest.Endpoint {
					return listen(t, scheme, nil, protocols)
				},
			})
		})
	}
}

func pair(t *testing.T, scheme string, cfg *wsconn.Config) (client, server transport.Conn) {
	t.Helper()
	e := listen(t, scheme, cfg, []string{protocol})
	return connect(t, e, e.URL)
}

// breakable makes a pair, and a function that breaks the connection.
func breakable(t *testing.T, scheme string) (client, server transport.Conn, cut func()) {
	t.Helper()
	e := listen(t, scheme, nil, []string{protocol})
	cable := transporttest.NewCable(t, e.Listener.Addr().String())
	client, server = connect(t, e, scheme+"://"+cable.Addr)
	return client, server, cable.Cut
}

func connect(t *testing.T, e transporttest.Endpoint, url string) (client, server transport.Conn) {
	t.Helper()
	client, err := e.Dialer.Dial(t.Context(), url, []string{protocol})
	if err != nil {
		t.Fatal(err)
	}
	server, err = e.Listener.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// listen makes a listener for a scheme's URLs.
func listen(t *testing.T, scheme string, cfg *wsconn.Config, protocols []string) transporttest.Endpoint {
	t.Helper()
	serverTLS, clientTLS := certtest.Pair(t)
	if scheme == "ws" || scheme == "tcp" {
		serverTLS = nil
	}
	e := transporttest.Endpoint{
		Dialer:  &wsconn.Dialer{TLSConfig: clientTLS, Config: cfg},
		DeadURL: scheme + "://" + unused(t),
	}
	if scheme == "ws" || scheme == "wss" {
		l := serve(t, serverTLS, &wsconn.Server{Protocols: protocols, Config: cfg})
		e.Listener, e.URL = l, scheme+"://"+l.Addr().String()+"/live/é?token=x%20y"
		return e
	}
	l, err := wsconn.Listen("127.0.0.1:0", wsconn.ListenOptions{Protocols: protocols, Config: cfg, TLSConfig: serverTLS})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	e.Listener, e.URL = l, scheme+"://"+l.Addr().String()
	return e
}

// A listener adapts a Server to transport.Listener.
type listener struct {
	*wsconn.Listener
	server *wsconn.Server
	conns  listentest.Queue
}

func (l *listener) Accept(ctx context.Context) (transport.Conn, error) { return l.conns.Accept(ctx) }

func (l *listener) Close() error {
	l.conns.Close()
	return l.Listener.Close()
}

// serve has s serve; without an Accept, what the listener accepts.
func serve(t *testing.T, conf *tls.Config, s *wsconn.Server) *listener {
	t.Helper()
	l := &listener{server: s, conns: listentest.NewQueue()}
	if s.Accept == nil {
		s.Accept = func(context.Context, transport.State) (func(transport.Conn), error) { return l.conns.Push, nil }
	}
	port, err := wsconn.Listen("127.0.0.1:0", wsconn.ListenOptions{Protocols: s.Protocols, TLSConfig: conf, HTTP: s})
	if err != nil {
		t.Fatal(err)
	}
	l.Listener = port
	t.Cleanup(func() {
		l.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// unused returns an address at which nothing listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestOnePort checks that one port serves clients of every kind.
func TestOnePort(t *testing.T) {
	serverTLS, clientTLS := certtest.Pair(t)
	conns := listentest.NewQueue()
	web := &wsconn.Server{
		Protocols: []string{protocol},
		Accept:    func(context.Context, transport.State) (func(transport.Conn), error) { return conns.Push, nil },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "a page")
		}),
	}
	port, err := wsconn.Listen("127.0.0.1:0", wsconn.ListenOptions{
		Protocols: []string{protocol}, TLSConfig: serverTLS, Plain: true, HTTP: web,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	defer port.Close()
	dialer := &wsconn.Dialer{TLSConfig: clientTLS}
	for scheme, accept := range map[string]func(context.Context) (transport.Conn, error){
		"ws": conns.Accept, "wss": conns.Accept, "tcp": port.Accept, "tls": port.Accept,
	} {
		ours, err := dialer.Dial(t.Context(), scheme+"://"+port.Addr().String(), []string{protocol})
		if err != nil {
			t.Errorf("%s: %v", scheme, err)
			continue
		}
		theirs, err := accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if secure := scheme == "wss" || scheme == "tls"; secure != (theirs.State().TLS != nil) || theirs.State().Protocol != protocol {
			t.Errorf("%s: %+v", scheme, theirs.State())
		}
		_ = ours.CloseWithError(0, "")
		_ = theirs.CloseWithError(0, "")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS, DisableKeepAlives: true}}
	for _, scheme := range []string{"http", "https"} {
		response, err := client.Get(scheme + "://" + port.Addr().String() + "/")
		if err != nil {
			t.Errorf("%s: %v", scheme, err)
			continue
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if string(body) != "a page" {
			t.Errorf("%s: %q", scheme, body)
		}
	}
}

// TestTLSAlone checks that clients without TLS are refused.
func TestTLSAlone(t *testing.T) {
	serverTLS, _ := certtest.Pair(t)
	port, err := wsconn.Listen("127.0.0.1:0", wsconn.ListenOptions{Protocols: []string{protocol}, TLSConfig: serverTLS})
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if _, err := new(wsconn.Dialer).Dial(t.Context(), "tcp://"+port.Addr().String(), []string{protocol}); err == nil {
		t.Error("let in without TLS")
	}
}
