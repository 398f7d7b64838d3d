package quicconn_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/testutils/simnet"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/internal/listentest"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// wantDialError checks the phase and text of an error, and that the text
// contains no secret.
func wantDialError(t *testing.T, err error, phase transport.Phase, text string) *transport.DialError {
	t.Helper()
	d, ok := err.(*transport.DialError)
	if !ok {
		t.Fatalf("error is %v (%T)", err, err)
	}
	if d.Transport != "quic" || d.Phase != phase || !strings.Contains(d.Error(), text) {
		t.Errorf("%q is of phase %q and transport %q, want phase %q and %q", d, d.Phase, d.Transport, phase, text)
	}
	if strings.Contains(d.Error(), "secret") {
		t.Errorf("%q tells the token", d)
	}
	return d
}

func dialFails(t *testing.T, d *quicconn.Dialer, url string, protocols ...string) error {
	t.Helper()
	if len(protocols) == 0 {
		protocols = []string{protocol}
	}
	c, err := d.Dial(t.Context(), url, protocols)
	if err == nil {
		c.CloseWithError(0, "")
		t.Fatalf("reached %s", url)
	}
	return err
}

func TestDialNothingListens(t *testing.T) {
	transporttest.NoLeaks(t)
	d := new(quicconn.Dialer)
	defer d.Close()
	start := time.Now()
	err := dialFails(t, d, "moqt://"+listentest.UnusedUDP(t)+"/?jwt=secret")
	wantDialError(t, err, transport.PhaseConnect, "nothing listens at 127.0.0.1:")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v to find out", took)
	}
}

func TestDialSilence(t *testing.T) {
	transporttest.NoLeaks(t)
	d := &quicconn.Dialer{QUICConfig: &quic.Config{HandshakeIdleTimeout: 500 * time.Millisecond}}
	defer d.Close()
	err := dialFails(t, d, "moqt://"+listentest.SilentUDP(t)+"/?jwt=secret")
	wantDialError(t, err, transport.PhaseConnect, "UDP may be blocked")
	if _, ok := errors.AsType[*quic.IdleTimeoutError](err); !ok {
		t.Errorf("%v does not lead to quic-go's error", err)
	}
}

// Some servers do not answer if they support none of the ALPNs. Only a probe
// can distinguish them from a network that drops UDP.
func TestDialSilentServer(t *testing.T) {
	transporttest.NoLeaks(t)
	d := &quicconn.Dialer{QUICConfig: &quic.Config{HandshakeIdleTimeout: 500 * time.Millisecond}}
	defer d.Close()
	addr := negotiatesVersionsOnly(t)
	err := dialFails(t, d, "moqt://"+addr)
	wantDialError(t, err, transport.PhaseNegotiate, addr+" speaks QUIC")
	if !errors.Is(err, transport.ErrNoCommonProtocol) {
		t.Errorf("%v does not match ErrNoCommonProtocol", err)
	}

	d.QUICConfig = nil
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	_, err = d.Dial(ctx, "moqt://"+addr, []string{protocol})
	wantDialError(t, err, transport.PhaseNegotiate, addr+" speaks QUIC")
	if !errors.Is(err, transport.ErrNoCommonProtocol) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v does not match ErrNoCommonProtocol and the context's end", err)
	}
}

// negotiatesVersionsOnly answers packets of unknown versions, and no others.
func negotiatesVersionsOnly(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { c.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 1200 || b[1] == 0 {
				continue
			}
			destination, source := b[6:14], b[15:23]
			answer := append([]byte{0x80, 0, 0, 0, 0, 8}, source...)
			answer = append(append(append(answer, 8), destination...), 0, 0, 0, 1)
			c.WriteTo([]byte("noise"), from)
			c.WriteTo(answer, from)
		}
	}()
	return c.LocalAddr().String()
}

func TestDialUntrusted(t *testing.T) {
	transporttest.NoLeaks(t)
	l, _ := listen(t, nil, quicconn.ListenOptions{Protocols: []string{protocol}})
	d := new(quicconn.Dialer)
	defer d.Close()
	err := dialFails(t, d, urlOf(l))
	wantDialError(t, err, transport.PhaseTLS, "fingerprint")
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("%v is no CertificateVerificationError", err)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("%v is no UnknownAuthorityError", err)
	}
}

func TestDialWrongName(t *testing.T) {
	transporttest.NoLeaks(t)
	l, trusting := listen(t, nil, quicconn.ListenOptions{Protocols: []string{protocol}})
	conf := trusting.TLSConfig.Clone()
	conf.ServerName = "elsewhere.example"
	d := &quicconn.Dialer{TLSConfig: conf}
	defer d.Close()
	err := dialFails(t, d, urlOf(l))
	wantDialError(t, err, transport.PhaseTLS, "elsewhere.example")
	if _, ok := errors.AsType[x509.HostnameError](err); !ok {
		t.Errorf("%v is no HostnameError", err)
	}
}

func TestDialNoCommonProtocol(t *testing.T) {
	transporttest.NoLeaks(t)
	l, d := listen(t, nil, quicconn.ListenOptions{Protocols: []string{protocol}})
	err := dialFails(t, d, urlOf(l), "moq-lite-98", "moq-lite-99")
	wantDialError(t, err, transport.PhaseNegotiate, "moq-lite-98, moq-lite-99")
	if !errors.Is(err, transport.ErrNoCommonProtocol) {
		t.Errorf("%v does not match ErrNoCommonProtocol", err)
	}
}

func TestDialBadURL(t *testing.T) {
	transporttest.NoLeaks(t)
	d := new(quicconn.Dialer)
	defer d.Close()
	for url, text := range map[string]string{
		"moqt://ho st/?jwt=secret":                "malformed URL",
		"moqt:///path?jwt=secret":                 "names no host",
		"moqt://localhost:0/?jwt=secret":          "port",
		"moqt://localhost:99999/?jwt=secret":      "port",
		"https://localhost/?jwt=secret":           "unsupported URL scheme",
		"moqt://nosuchhost.invalid:1/?jwt=secret": "nosuchhost.invalid",
	} {
		wantDialError(t, dialFails(t, d, url), transport.PhaseResolve, text)
	}
	if err := dialFails(t, d, "https://localhost/"); !errors.Is(err, transport.ErrUnsupportedScheme) {
		t.Errorf("%v does not match ErrUnsupportedScheme", err)
	}
	_, err := d.Dial(t.Context(), "moqt://localhost/", nil)
	wantDialError(t, err, transport.PhaseNegotiate, "none is offered")
}

func TestDialCancelled(t *testing.T) {
	d := new(quicconn.Dialer)
	defer d.Close()
	// The socket and its goroutines are the dialer's, and not left by a dial.
	dialFails(t, d, "moqt://"+listentest.UnusedUDP(t))
	transporttest.NoLeaks(t)
	for _, after := range []time.Duration{0, time.Millisecond, 1100 * time.Millisecond} {
		reason := errors.New("the caller's reason")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(after, func() { cancel(reason) })
		_, err := d.Dial(ctx, "moqt://"+listentest.SilentUDP(t), []string{protocol})
		wantDialError(t, err, transport.PhaseConnect, "the caller's reason")
		if !errors.Is(err, reason) {
			t.Errorf("%v does not match the context's cause", err)
		}
	}
}

// The name has two addresses, and the server listens at only one of them.
func TestDialLocalhost(t *testing.T) {
	transporttest.NoLeaks(t)
	serverTLS, clientTLS := certtest.Pair(t)
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, err := quicconn.Listen(net.JoinHostPort(host, "0"), serverTLS, nil, quicconn.ListenOptions{Protocols: []string{protocol}})
		if err != nil {
			t.Log("left out:", err)
			continue
		}
		defer l.Close()
		if host == "::1" && !resolvesTo(t, "localhost", host) {
			t.Log("left out: localhost is not ::1 here")
			continue
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		d := &quicconn.Dialer{TLSConfig: clientTLS}
		defer d.Close()
		start := time.Now()
		c, err := d.Dial(t.Context(), "moqt://localhost:"+port, []string{protocol})
		if err != nil {
			t.Fatal(err)
		}
		c.CloseWithError(0, "")
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s: it took %v", host, took)
		}
	}
}

func resolvesTo(t *testing.T, name, addr string) bool {
	t.Helper()
	addrs, _ := net.DefaultResolver.LookupHost(t.Context(), name)
	for _, a := range addrs {
		if a == addr {
			return true
		}
	}
	return false
}

func TestDialAfterClose(t *testing.T) {
	transporttest.NoLeaks(t)
	d := new(quicconn.Dialer)
	d.Close()
	err := dialFails(t, d, "moqt://127.0.0.1:1")
	wantDialError(t, err, transport.PhaseConnect, "closed")
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v does not match net.ErrClosed", err)
	}
}

// A closingSocket blocks in Close until it is let go.
type closingSocket struct {
	net.PacketConn
	closing, leave chan struct{}
}

func (s *closingSocket) Close() error {
	close(s.closing)
	<-s.leave
	return s.PacketConn.Close()
}

// While an endpoint closes its socket, which may take time, it holds up nobody:
// dials fail at once, and so does a second Close return.
func TestDialWhileTheEndpointCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		addr := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: 1}
		s := &closingSocket{simnet.NewBlockingSimConn(addr, new(simnet.PerfectRouter)), make(chan struct{}), make(chan struct{})}
		e := &quicconn.Endpoint{Socket: s}
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = e.Close()
		}()
		<-s.closing
		var dialled error
		var again bool
		go func() { _, dialled = e.Dial(t.Context(), "127.0.0.1:2", []string{protocol}, nil, nil) }()
		go func() { again = e.Close() == nil }()
		synctest.Wait()
		if !errors.Is(dialled, net.ErrClosed) {
			t.Errorf("the dial returns %v", dialled)
		}
		if !again {
			t.Error("a second Close waits")
		}
		close(s.leave)
		<-closed
	})
}

func TestCloseEndsDials(t *testing.T) {
	transporttest.NoLeaks(t)
	d := new(quicconn.Dialer)
	time.AfterFunc(50*time.Millisecond, func() { d.Close() })
	err := dialFails(t, d, "moqt://"+listentest.SilentUDP(t))
	wantDialError(t, err, transport.PhaseConnect, "closed")
}

// Dials share a socket, except for those with OwnSocket, whose socket is
// closed with the connection.
func TestDialOwnSocket(t *testing.T) {
	transporttest.NoLeaks(t)
	l, d := listen(t, nil, quicconn.ListenOptions{Protocols: []string{protocol}})
	dial := func(o transport.DialOptions) (c transport.Conn, from string) {
		target := target(t, "moqt://"+l.Addr().String())
		target.Options = o
		c, err := d.DialTarget(t.Context(), target, []string{protocol})
		if err != nil {
			t.Fatal(err)
		}
		there, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c, there.State().Remote.String()
	}
	own := transport.DialOptions{OwnSocket: true}
	first, shared := dial(transport.DialOptions{})
	second, again := dial(transport.DialOptions{})
	third, other := dial(own)
	fourth, another := dial(own)
	if shared != again {
		t.Errorf("two dials come from %s and %s", shared, again)
	}
	if other == shared || another == shared || other == another {
		t.Errorf("dials with a socket of their own come from %s and %s, others from %s", other, another, shared)
	}
	for _, c := range []transport.Conn{first, second, third, fourth} {
		_ = c.CloseWithError(0, "")
	}
	free, err := net.ResolveUDPAddr("udp", other)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.ListenUDP("udp", free)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the socket of a connection that was closed is open: %v", err)
		}
	}
}

// A failed dial closes its own socket.
func TestDialOwnSocketFails(t *testing.T) {
	transporttest.NoLeaks(t)
	d := new(quicconn.Dialer)
	defer d.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	alone := target(t, "moqt://"+listentest.SilentUDP(t))
	alone.Options.OwnSocket = true
	if _, err := d.DialTarget(ctx, alone, []string{protocol}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

// target parses a URL.
func target(t *testing.T, url string) *transport.Target {
	t.Helper()
	target, err := transport.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestDialAddrFunc(t *testing.T) {
	transporttest.NoLeaks(t)
	l, trusting := listen(t, nil, quicconn.ListenOptions{Protocols: []string{protocol}})
	var gotAddr string
	var gotTLS *tls.Config
	d := &quicconn.Dialer{
		TLSConfig: trusting.TLSConfig,
		DialAddr: func(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (transport.Conn, error) {
			gotAddr, gotTLS = addr, tlsConf
			c, err := quic.DialAddr(ctx, l.Addr().String(), tlsConf, conf)
			if err != nil {
				return nil, err
			}
			return quicconn.Wrap(c), nil
		},
	}
	defer d.Close()
	c, err := d.Dial(t.Context(), "moql://localhost/live?token=x", []string{"moq-lite-07", protocol})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseWithError(0, "")
	if gotAddr != "localhost:443" || gotTLS.ServerName != "localhost" || gotTLS.MinVersion != tls.VersionTLS13 {
		t.Errorf("called with %q, %q", gotAddr, gotTLS.ServerName)
	}
	if len(trusting.TLSConfig.NextProtos) != 0 {
		t.Errorf("the user's configuration has the protocols %q", trusting.TLSConfig.NextProtos)
	}
	s := c.State()
	if s.Protocol != protocol || s.URL == nil || s.URL.RequestURI() != "/live?token=x" || s.CarriesURL {
		t.Errorf("the state is %+v", s)
	}
	_, datagrams := transport.As[transport.DatagramConn](c)
	_, stats := transport.As[transport.StatsConn](c)
	if !datagrams || !stats {
		t.Errorf("datagrams %t, stats %t", datagrams, stats)
	}

	d.TLSConfig = nil
	wantDialError(t, dialFails(t, d, "moql://localhost/"), transport.PhaseTLS, "fingerprint")
	d.TLSConfig = trusting.TLSConfig
	err = dialFails(t, d, "moql://localhost/", "moq-lite-99")
	wantDialError(t, err, transport.PhaseNegotiate, "no common")
}
