package impl_test

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/tlspin"
)

// A mutableSocket is a UDP socket whose process can be killed: it then sends
// nothing any more, not even that connections are closed.
type mutableSocket struct {
	net.PacketConn
	killed atomic.Bool
}

func (s *mutableSocket) WriteTo(b []byte, to net.Addr) (int, error) {
	if s.killed.Load() {
		return len(b), nil
	}
	return s.PacketConn.WriteTo(b, to)
}

// TestServerStartedAgain: a server with the certificate, or the key, of one that
// was killed at its address ends the sessions of that one when their clients
// send something. One with other keys cannot.
func TestServerStartedAgain(t *testing.T) {
	newCert := func() tls.Certificate {
		cert, err := devcert.New()
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	cert, key := newCert(), &quic.StatelessResetKey{1, 2, 3}
	for _, c := range []struct {
		name          string
		first, second tls.Certificate
		keys          [2]*quic.StatelessResetKey
		chosen        bool // by GetCertificate
		ends          bool
	}{
		{"with its certificate", cert, cert, [2]*quic.StatelessResetKey{}, false, true},
		{"with its certificate, chosen", cert, cert, [2]*quic.StatelessResetKey{}, true, true},
		{"with its key", newCert(), newCert(), [2]*quic.StatelessResetKey{key, key}, false, true},
		{"with other keys", newCert(), newCert(), [2]*quic.StatelessResetKey{}, false, false},
		{"with its certificate and another key", cert, cert, [2]*quic.StatelessResetKey{key, nil}, false, false},
	} {
		for _, scheme := range []string{"moqt", "https"} {
			t.Run(c.name+" over "+scheme, func(t *testing.T) {
				t.Parallel()
				serve := func(addr string, cert tls.Certificate, key *quic.StatelessResetKey) *mutableSocket {
					t.Helper()
					conn, err := net.ListenPacket("udp", addr)
					if err != nil {
						t.Fatal(err)
					}
					socket := &mutableSocket{PacketConn: conn}
					config := &tls.Config{Certificates: []tls.Certificate{cert}}
					if c.chosen {
						config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
							_ = hello.Conn.LocalAddr() // there is none but for a client
							return &cert, nil
						}
					}
					server := &impl.Server{
						Socket: socket, TLSConfig: config, StatelessResetKey: key, Mux: api.NewTrackMux(),
					}
					if _, err := server.Listen(); err != nil {
						t.Fatal(err)
					}
					ended := make(chan error, 1)
					go func() { ended <- server.ListenAndServe() }()
					t.Cleanup(func() { _ = server.Close(); <-ended })
					return socket
				}
				first := serve("127.0.0.1:0", c.first, c.keys[0])
				client := &impl.Client{TLSConfig: tlspin.Config(nil, devcert.Fingerprint(c.first))}
				defer client.Close()
				session, err := client.Dial(t.Context(), scheme+"://"+first.LocalAddr().String(), api.NewTrackMux())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := session.TrackInfo(t.Context(), "none", "none"); err == nil {
					t.Fatal("there is such a track")
				}
				first.killed.Store(true)
				_ = first.Close()
				serve(first.LocalAddr().String(), c.second, c.keys[1])
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := session.TrackInfo(ctx, "none", "none"); ctx.Err() == nil {
					select { // it fails a moment before the session has ended
					case <-session.Context().Done():
					case <-ctx.Done():
						t.Errorf("answered with %v", err)
					}
				}
				if ends := session.Context().Err() != nil; ends != c.ends {
					t.Errorf("ended: %v (%v)", ends, context.Cause(session.Context()))
				}
			})
		}
	}
}
