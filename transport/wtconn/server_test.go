package wtconn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
	"github.com/moqlite/moqlite/transport/wtconn"
)

// request sends an HTTP/3 request to the listener's server.
func (l *listener) request(t *testing.T, client *http3.Transport, method, proto, path string, header http.Header) (status int, body string) {
	t.Helper()
	var stays io.Reader // a session ends with the request's body
	if method == http.MethodConnect {
		in, out := io.Pipe()
		t.Cleanup(func() { out.Close() })
		stays = in
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+l.Addr().String()+path, stays)
	if err != nil {
		t.Fatal(err)
	}
	if r.Header = header; header == nil {
		r.Header = make(http.Header)
	}
	if proto != "" {
		r.Proto = proto
	}
	response, err := client.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode == http.StatusOK && method == http.MethodConnect {
		return response.StatusCode, ""
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(b)
}

func TestPlainHTTP(t *testing.T) {
	transporttest.NoLeaks(t)
	l, d := listen(t, nil, []string{protocol})
	client := &http3.Transport{TLSClientConfig: d.TLSConfig, EnableDatagrams: true}
	defer client.Close()
	offer := http.Header{"Wt-Available-Protocols": {`"` + protocol + `"`}}
	for _, c := range []struct {
		method, proto, path string
		header              http.Header
		status              int
	}{
		{http.MethodGet, "", "/certificate.sha256", nil, 404},
		{http.MethodPost, "", "/", nil, 404},
		{http.MethodConnect, "", "", offer, 400},
		{http.MethodConnect, "connect-udp", "/", offer, 400},
		{http.MethodConnect, "webtransport", "/", nil, 400},
		{http.MethodConnect, "webtransport", "/", http.Header{"Wt-Available-Protocols": {`"moq-lite-99"`}}, 400},
		{http.MethodConnect, "webtransport", "/", http.Header{"Wt-Available-Protocols": {`not a list"`}}, 400},
		{http.MethodConnect, "webtransport", "/", http.Header{"Wt-Available-Protocols": {protocol}}, 400},
		{http.MethodConnect, "webtransport-h3", "/", http.Header{"Wt-Available-Protocols": {`"moq-lite-99", 7, ("x"), "` + protocol + `";v=1`}}, 200},
		{http.MethodConnect, "webtransport", "/", offer, 429},
	} {
		if status, _ := l.request(t, client, c.method, c.proto, c.path, c.header); status != c.status {
			t.Errorf("%s %s %s with %v: status %d, want %d", c.method, c.proto, c.path, c.header, status, c.status)
		}
	}
	c, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.CloseWithError(0, "")
}

func TestHandler(t *testing.T) {
	transporttest.NoLeaks(t)
	l, d := listen(t, nil, []string{protocol}, func(s *wtconn.Server) {
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	})
	client := &http3.Transport{TLSClientConfig: d.TLSConfig}
	defer client.Close()
	if status, body := l.request(t, client, http.MethodGet, "", "/certificate.sha256", nil); status != 200 || body != "/certificate.sha256" {
		t.Errorf("status %d, %q", status, body)
	}
}

func TestServePanics(t *testing.T) {
	transporttest.NoLeaks(t)
	var logged bytes.Buffer
	l, d := listen(t, nil, []string{protocol}, func(s *wtconn.Server) {
		s.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		s.Accept = func(context.Context, transport.State) (func(transport.Conn), error) {
			return func(transport.Conn) { panic("in the middle") }, nil
		}
	})
	c, err := d.Dial(t.Context(), l.url(), []string{protocol})
	if err != nil {
		t.Fatal(err)
	}
	if e := wantEnd(t, c); e.Code != 1 || !e.Remote {
		t.Errorf("the client sees %v", e)
	}
	l.server.Close()
	if !strings.Contains(logged.String(), "in the middle") {
		t.Errorf("logged %q", logged.String())
	}
}

func TestServerClose(t *testing.T) {
	transporttest.NoLeaks(t)
	var l *listener
	started, ended := make(chan struct{}), make(chan struct{}, 4)
	l, d := listen(t, nil, []string{protocol}, accepting(func(context.Context, transport.State) (func(transport.Conn), error) {
		return func(c transport.Conn) {
			started <- struct{}{}
			<-c.Context().Done()
			l.server.Close() // from inside as well
			ended <- struct{}{}
		}, nil
	}))
	var clients []transport.Conn
	for range 4 {
		c, err := d.Dial(t.Context(), l.url(), []string{protocol})
		if err != nil {
			t.Fatal(err)
		}
		<-started // which the client has been answered before
		clients = append(clients, c)
	}
	start := time.Now()
	if err := l.server.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("Close took %v", took)
	}
	for _, c := range clients {
		if e := wantEnd(t, c); *e != (transport.ConnError{Remote: true}) {
			t.Errorf("the client sees %+v", e)
		}
	}
	for range clients {
		<-ended
	}
	if _, err := d.Dial(t.Context(), l.url(), []string{protocol}); err == nil {
		t.Error("reached a server that is closed")
	}
}

func TestServeAfterClose(t *testing.T) {
	transporttest.NoLeaks(t)
	s := new(wtconn.Server)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	serverTLS, clientTLS := certtest.Pair(t)
	served := make(chan error, 1)
	l, err := quicconn.Listen("127.0.0.1:0", serverTLS, nil, quicconn.ListenOptions{H3: func(q *quic.Conn) error {
		served <- s.ServeQUICConn(q)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := &wtconn.Dialer{TLSConfig: clientTLS}
	defer d.Close()
	dialFails(t, d, "https://"+l.Addr().String())
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ServeQUICConn: %v", err)
	}
}

// Each side sees the other's code and reason, also with unread data.
func TestCloseCodes(t *testing.T) {
	transporttest.NoLeaks(t)
	l, d := listen(t, nil, []string{protocol})
	for i := range 20 {
		client, err := d.Dial(t.Context(), l.url(), []string{protocol})
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		from, to := client, server
		if i%2 == 1 {
			from, to = server, client
		}
		// Data that nobody has read is in the way.
		if w, err := from.OpenUniStream(t.Context()); err == nil {
			w.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
			w.Write(make([]byte, 1<<20))
		}
		start := time.Now()
		from.CloseWithError(42, "the answer")
		took := time.Since(start)
		if e := wantEnd(t, to); *e != (transport.ConnError{Code: 42, Reason: "the answer", Remote: true}) {
			t.Errorf("round %d: the peer sees %+v", i, e)
		}
		if took > 90*time.Millisecond {
			t.Errorf("round %d: the close took %v: it did not see the peer's answer", i, took)
		}
	}
}

// Native QUIC and WebTransport share a port, and a client's socket.
func TestOnePort(t *testing.T) {
	transporttest.NoLeaks(t)
	serverTLS, clientTLS := certtest.Pair(t)
	conns := make(chan transport.Conn, 1)
	server := &wtconn.Server{
		Protocols: []string{protocol},
		Accept: func(context.Context, transport.State) (func(transport.Conn), error) {
			return func(c transport.Conn) { conns <- c }, nil
		},
	}
	l, err := quicconn.Listen("127.0.0.1:0", serverTLS, nil, quicconn.ListenOptions{Protocols: []string{protocol}, H3: server.ServeQUICConn})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer server.Close()
	endpoint := new(quicconn.Endpoint)
	native := &quicconn.Dialer{Endpoint: endpoint, TLSConfig: clientTLS}
	web := &wtconn.Dialer{Endpoint: endpoint, TLSConfig: clientTLS}
	dialer := transport.ByScheme{"moqt": native, "https": web}
	defer dialer.Close()

	a, err := dialer.Dial(t.Context(), "moqt://"+l.Addr().String(), []string{protocol})
	if err != nil {
		t.Fatal(err)
	}
	b, err := dialer.Dial(t.Context(), "https://"+l.Addr().String(), []string{protocol})
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range []transport.Conn{c, <-conns} {
		if got, want := side.State().Remote.String(), port(a); !strings.HasSuffix(got, want) {
			t.Errorf("%s comes from %s, not from port %s", side.State().Transport, got, want)
		}
	}
	a.CloseWithError(0, "")
	b.CloseWithError(0, "")
}

func port(c transport.Conn) string {
	_, p, _ := net.SplitHostPort(c.State().Local.String())
	return ":" + p
}

// A stream that is opened and reset while the peer grants no credit must not
// exceed the peer's limit with its prefix.
func TestPrefixWithoutCredit(t *testing.T) {
	transporttest.NoLeaks(t)
	client, server := pair(t, small())
	defer client.CloseWithError(0, "")
	for _, c := range []transport.Conn{client, server} {
		for n := 64 << 10; n == 64<<10; {
			w, err := c.OpenUniStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			n, err = w.Write(make([]byte, 100_000))
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("Write = %d, %v", n, err)
			}
			n += 3 // the prefix
		}
		w, err := c.OpenUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.CancelWrite(5)
	}
	select {
	case <-server.Context().Done():
		t.Fatal(context.Cause(server.Context()))
	case <-client.Context().Done():
		t.Fatal(context.Cause(client.Context()))
	case <-time.After(200 * time.Millisecond):
	}
}
