package wtconn_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/webtransport-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
	"github.com/moqlite/moqlite/transport/wtconn"
)

// The client is webtransport-go's, over a QUIC connection that lives a little
// longer than the session, so that the server sees the close. Small is left
// out: when such a client closes, it resets its streams before it sends the
// close, so that a server waiting for one of them sees the reset.
func TestConformanceOfWrap(t *testing.T) {
	transporttest.TestConn(t, transporttest.Options{
		Client: []transporttest.Ability{transporttest.Datagrams, transporttest.CarriesURL},
		Server: all,
		Pair: func(t *testing.T) (client, server transport.Conn) {
			l, d := listen(t, nil, []string{protocol})
			return stockPair(t, l, d, l.Addr().String(), quicconn.DefaultConfig())
		},
		Cut: func(t *testing.T) (client, server transport.Conn, cut func()) {
			l, d := listen(t, impatient(), []string{protocol})
			cable := transporttest.NewCable(t, l.Addr().String())
			client, server = stockPair(t, l, d, cable.Addr, impatient())
			return client, server, cable.Cut
		},
	})
}

// stockPair dials with webtransport-go's client.
func stockPair(t *testing.T, l *listener, d *wtconn.Dialer, addr string, conf *quic.Config) (client, server transport.Conn) {
	t.Helper()
	stock := &webtransport.Transport{ApplicationProtocols: []string{protocol}}
	d.DialAddr = func(ctx context.Context, url string, header http.Header, tlsConf *tls.Config) (*http.Response, transport.Conn, error) {
		q, err := quic.DialAddr(ctx, addr, tlsConf, conf)
		if err != nil {
			return nil, nil, err
		}
		c, err := stock.NewClientConn(q)
		if err != nil {
			return nil, nil, err
		}
		response, session, err := c.Dial(ctx, url, header)
		if err != nil {
			return response, nil, err
		}
		context.AfterFunc(session.Context(), func() {
			select {
			case <-q.Context().Done():
			case <-time.After(10 * time.Millisecond):
				q.CloseWithError(0, "")
			}
		})
		return response, wtconn.Wrap(session), nil
	}
	return connect(t, l, d, urlAt(addr))
}

// webtransport-go's Dial closes the QUIC connection with the session: the
// server may not get the code, but notices the end.
func TestWrapOfDial(t *testing.T) {
	transporttest.NoLeaks(t)
	var refused atomic.Bool
	conns := make(chan transport.Conn, 1)
	l, d := listen(t, nil, []string{protocol}, accepting(func(context.Context, transport.State) (func(transport.Conn), error) {
		if refused.Load() {
			return nil, transport.ErrNotFound
		}
		return func(c transport.Conn) { conns <- c }, nil
	}))
	stock := &webtransport.Transport{ApplicationProtocols: []string{protocol}}
	d.DialAddr = func(ctx context.Context, url string, header http.Header, tlsConf *tls.Config) (*http.Response, transport.Conn, error) {
		stock.TLSClientConfig = tlsConf
		response, session, err := stock.Dial(ctx, url, header)
		if err != nil {
			return response, nil, err
		}
		return response, wtconn.Wrap(session), nil
	}
	client, err := d.Dial(t.Context(), l.url(), []string{protocol})
	if err != nil {
		t.Fatal(err)
	}
	server := <-conns
	client.CloseWithError(7, "over")
	<-server.Context().Done()
	e, ok := context.Cause(server.Context()).(*transport.ConnError)
	if !ok || !e.Remote || e.Err != nil || e.Code != 7 && e.Code != 0 {
		t.Errorf("the server sees %#v", context.Cause(server.Context()))
	}

	wantDialError(t, dialFails(t, d, "https://"+l.Addr().String(), "moq-lite-99"), transport.PhaseNegotiate, "", transport.ErrNoCommonProtocol)
	refused.Store(true)
	wantDialError(t, dialFails(t, d, l.url()), transport.PhaseUpgrade, "404", transport.ErrNotFound)
}
