//go:build unix

package bench

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// dials is the number of dials of which the median is taken.
const dials = 50

// A dialer connects to a server of its own, over one socket.
type dialer struct {
	dial func() (end func(), err error)
	end  func() // of all that was dialled
}

// timed returns how long a dial takes.
func (d dialer) timed(b *testing.B) time.Duration {
	began := time.Now()
	end, err := d.dial()
	if err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	end()
	time.Sleep(time.Millisecond) // for the other side's end
	return took
}

// dialers are keyed by way and scheme.
var dialers = map[string]map[string]func(context.Context) (dialer, error){
	"ours": {
		"moqt":  func(ctx context.Context) (dialer, error) { return ourDialer(ctx, "moqt") },
		"https": func(ctx context.Context) (dialer, error) { return ourDialer(ctx, "https") },
	},
	"plain": {"moqt": bareDialer, "https": webtransportDialer},
}

func ourDialer(ctx context.Context, scheme string) (dialer, error) {
	server := &impl.Server{Addr: "127.0.0.1:0", Mux: api.NewTrackMux(), TLSConfig: serverTLS("")}
	addr, err := server.Listen()
	if err != nil {
		return dialer{}, err
	}
	go func() { _ = server.ListenAndServe() }()
	client, mux := &impl.Client{TLSConfig: clientTLS("")}, api.NewTrackMux()
	dial := func() (end func(), err error) {
		s, err := client.Dial(ctx, scheme+"://"+addr.String(), mux)
		return func() { _ = s.Terminate(api.SessionNoError, "") }, err
	}
	return dialer{dial, func() {
		_ = client.Close()
		_ = server.Close()
	}}, nil
}

// protocols returns the versions that ours offers. The bare sides offer them
// too: they are part of the handshake, of which quic-go keeps some while the
// connection lasts.
func protocols() (names []string) {
	for _, v := range api.Versions() {
		names = append(names, string(v))
	}
	return names
}

func bareDialer(ctx context.Context) (dialer, error) {
	config := serverTLS("")
	config.NextProtos = protocols()
	l, err := quic.ListenAddr("127.0.0.1:0", config, quicconn.DefaultConfig())
	if err != nil {
		return dialer{}, err
	}
	go func() {
		for {
			if _, err := l.Accept(ctx); err != nil {
				return
			}
		}
	}()
	e := new(quicconn.Endpoint)
	dial := func() (end func(), err error) {
		c, err := e.Dial(ctx, l.Addr().String(), protocols(), &tls.Config{InsecureSkipVerify: true}, nil)
		return func() { _ = c.CloseWithError(0, "") }, err
	}
	return dialer{dial, func() {
		_ = e.Close()
		_ = l.Close()
	}}, nil
}

func webtransportDialer(ctx context.Context) (dialer, error) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return dialer{}, err
	}
	server := webtransportServer(func(*webtransport.Session) {})
	go func() { _ = server.Serve(socket) }()
	e := new(quicconn.Endpoint)
	dial := func() (end func(), err error) {
		var c *quic.Conn
		t := &webtransport.Transport{
			TLSClientConfig: clientTLS("h3"), QUICConfig: quicconn.DefaultConfig(), ApplicationProtocols: protocols(),
			DialAddr: func(ctx context.Context, addr string, config *tls.Config, settings *quic.Config) (*quic.Conn, error) {
				var err error
				c, err = e.Dial(ctx, addr, config.NextProtos, config, settings)
				return c, err
			},
		}
		_, s, err := t.Dial(ctx, "https://"+socket.LocalAddr().String()+"/", nil)
		return func() {
			_ = s.CloseWithError(0, "")
			_ = c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
		}, err
	}
	return dialer{dial, func() {
		_ = e.Close()
		_ = server.Close()
		_ = socket.Close()
	}}, nil
}

// webtransportServer hands its sessions to serve.
func webtransportServer(serve func(*webtransport.Session)) *webtransport.Server {
	mux := http.NewServeMux()
	w := &webtransport.Server{
		H3: &http3.Server{
			TLSConfig: serverTLS("h3"), QUICConfig: quicconn.DefaultConfig(), Handler: mux, EnableDatagrams: true,
		},
		ApplicationProtocols: protocols(),
	}
	webtransport.ConfigureHTTP3Server(w.H3)
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		s, err := w.Upgrade(rw, r)
		failed(err)
		serve(s)
	})
	return w
}

func BenchmarkDial(b *testing.B) {
	for _, scheme := range []string{"moqt", "https"} {
		b.Run(scheme, func(b *testing.B) {
			ours, err := dialers["ours"][scheme](b.Context())
			if err != nil {
				b.Fatal(err)
			}
			defer ours.end()
			plain, err := dialers["plain"][scheme](b.Context())
			if err != nil {
				b.Fatal(err)
			}
			defer plain.end()
			var ratios []float64
			for range b.N {
				var took, tookPlain []time.Duration
				for range dials {
					took = append(took, ours.timed(b))
					tookPlain = append(tookPlain, plain.timed(b))
				}
				ratios = append(ratios, median(took).Seconds()/median(tookPlain).Seconds())
			}
			report(b, map[string][]float64{"time/plain": ratios})
		})
	}
}
