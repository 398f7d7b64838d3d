//go:build unix

package bench

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// dials is how many dials a median is of.
const dials = 50

// timed is how long a dial takes, which returns how to end what it has made.
func timed(b *testing.B, dial func() (end func(), err error)) time.Duration {
	began := time.Now()
	end, err := dial()
	if err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	end()
	time.Sleep(time.Millisecond) // for the other side's end
	return took
}

// endpoints are a server of ours and one of quic-go, and how to dial them over
// one socket each.
type endpoints struct {
	ours func() (api.Session, error)
	bare func() (*quic.Conn, error)
	end  func() // of all that was dialled
}

func newEndpoints(ctx context.Context) (endpoints, error) {
	server := &impl.Server{Addr: "127.0.0.1:0", Mux: api.NewTrackMux(), TLSConfig: serverTLS("")}
	addr, err := server.Listen()
	if err != nil {
		return endpoints{}, err
	}
	go func() { _ = server.ListenAndServe() }()
	client := &impl.Client{TLSConfig: clientTLS("")}
	// The bare side negotiates the same names: they are part of the handshake,
	// of which quic-go holds some for as long as the connection lives.
	var protocols []string
	for _, v := range api.Versions() {
		protocols = append(protocols, string(v))
	}
	bareTLS := serverTLS("")
	bareTLS.NextProtos = protocols
	l, err := quic.ListenAddr("127.0.0.1:0", bareTLS, quicconn.DefaultConfig())
	if err != nil {
		_ = server.Close()
		return endpoints{}, err
	}
	e := new(quicconn.Endpoint)
	go func() {
		for {
			if _, err := l.Accept(ctx); err != nil {
				return
			}
		}
	}()
	mux := api.NewTrackMux()
	return endpoints{
		func() (api.Session, error) { return client.Dial(ctx, "moqt://"+addr.String(), mux) },
		func() (*quic.Conn, error) {
			return e.Dial(ctx, l.Addr().String(), protocols, &tls.Config{InsecureSkipVerify: true}, nil)
		},
		func() {
			_ = client.Close()
			_ = server.Close()
			_ = e.Close()
			_ = l.Close()
		},
	}, nil
}

func BenchmarkDial(b *testing.B) {
	e, err := newEndpoints(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer e.end()
	var ratios []float64
	for range b.N {
		var ours, bare []time.Duration
		for range dials {
			ours = append(ours, timed(b, func() (func(), error) {
				s, err := e.ours()
				return func() { _ = s.Terminate(api.SessionNoError, "") }, err
			}))
			bare = append(bare, timed(b, func() (func(), error) {
				c, err := e.bare()
				return func() { _ = c.CloseWithError(0, "") }, err
			}))
		}
		ratios = append(ratios, median(ours).Seconds()/median(bare).Seconds())
	}
	report(b, map[string][]float64{"time/plain": ratios})
}
