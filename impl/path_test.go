package impl_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/tlspin"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// A narrowSocket is the socket of a server on a path that drops larger UDP
// payloads on the way out. It embeds a real socket, so that QUIC measures the
// path.
type narrowSocket struct {
	*net.UDPConn
	most int
}

func (s *narrowSocket) WriteMsgUDP(b, oob []byte, to *net.UDPAddr) (int, int, error) {
	if len(b) > s.most {
		return len(b), len(oob), nil
	}
	return s.UDPConn.WriteMsgUDP(b, oob, to)
}

// An MTU of 1,280 bytes is that of tunnels, and the minimum of IPv6.
func TestPathOf1280Bytes(t *testing.T) {
	transporttest.NoLeaks(t)
	t.Setenv("QUIC_GO_DISABLE_GSO", "true") // one datagram a write
	cert, err := devcert.New()
	if err != nil {
		t.Fatal(err)
	}
	for name, conf := range map[string]*quic.Config{"default": nil, "own": {}} {
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		addr := serve(t, &impl.Server{
			Socket:     &narrowSocket{udp, 1280 - 20 - 8}, // the headers of IPv4 and UDP
			Mux:        api.NewTrackMux(),
			TLSConfig:  &tls.Config{Certificates: []tls.Certificate{cert}},
			QUICConfig: conf,
		})
		for _, scheme := range []string{"moqt", "https"} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				c := &impl.Client{TLSConfig: tlspin.Config(nil, devcert.Fingerprint(cert)), QUICConfig: conf}
				defer c.Close()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if _, err := c.Dial(ctx, scheme+"://"+addr, nil); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
