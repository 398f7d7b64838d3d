package wtconn_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/wtconn"
)

// A peer is a server that answers over HTTP/3 in any way that a test wants.
type peer struct {
	listener *quicconn.Listener
	dialer   *wtconn.Dialer

	// settings are the HTTP/3 settings that it sends; nil: it never sends any.
	settings map[uint64]uint64

	// quic is the client's configuration; nil: the default.
	quic *quic.Config

	// answer is called with each request and its QUIC connection.
	answer func(q *quic.Conn, w http.ResponseWriter, r *http.Request)
}

type peerKey struct{}

func newPeer(t *testing.T, p *peer) *peer {
	t.Helper()
	serverTLS, clientTLS := certtest.Pair(t)
	h := &http3.Server{
		EnableDatagrams:    true,
		AdditionalSettings: p.settings,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.answer(r.Context().Value(peerKey{}).(*quic.Conn), w, r)
		}),
		ConnContext: func(ctx context.Context, q *quic.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, q)
		},
	}
	serve := func(q *quic.Conn) error {
		if p.settings == nil {
			return nil
		}
		raw, err := h.NewRawServerConn(q)
		if err != nil {
			return err
		}
		go func() {
			for {
				s, err := q.AcceptUniStream(context.Background())
				if err != nil {
					return
				}
				if kind, err := quicvarint.Peek(s); err == nil && kind != 0x54 {
					go raw.HandleUnidirectionalStream(s)
				}
			}
		}()
		s, err := q.AcceptStream(context.Background())
		if err == nil {
			raw.HandleRequestStream(s)
		}
		return err
	}
	var err error
	p.listener, err = quicconn.Listen("127.0.0.1:0", serverTLS, nil, quicconn.ListenOptions{H3: serve})
	if err != nil {
		t.Fatal(err)
	}
	p.dialer = &wtconn.Dialer{TLSConfig: clientTLS, QUICConfig: p.quic}
	t.Cleanup(func() {
		p.dialer.Close()
		p.listener.Close()
	})
	return p
}

func (p *peer) url() string { return "https://" + p.listener.Addr().String() + "/live?token=x" }

func (p *peer) dial(t *testing.T) transport.Conn {
	t.Helper()
	c, err := p.dialer.Dial(t.Context(), p.url(), []string{protocol})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseWithError(0, "") })
	return c
}

// accept answers a request with 200.
func accept(w http.ResponseWriter) *http3.Stream {
	w.Header().Set("Wt-Protocol", `"`+protocol+`"`)
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	return w.(http3.HTTPStreamer).HTTPStream()
}

// session is a peer whose sessions are handed to the test.
func session(t *testing.T) (client transport.Conn, q *quic.Conn, request *http3.Stream) {
	t.Helper()
	return sessionWith(t, nil)
}

// sessionWith is session with a client of a configuration.
func sessionWith(t *testing.T, conf *quic.Config) (client transport.Conn, q *quic.Conn, request *http3.Stream) {
	t.Helper()
	type end struct {
		q *quic.Conn
		s *http3.Stream
	}
	ends := make(chan end, 1)
	p := newPeer(t, &peer{
		settings: map[uint64]uint64{0x2b603742: 1},
		quic:     conf,
		answer: func(q *quic.Conn, w http.ResponseWriter, r *http.Request) {
			ends <- end{q, accept(w)}
		},
	})
	client = p.dial(t)
	e := <-ends
	t.Cleanup(func() { e.q.CloseWithError(0, "") })
	return client, e.q, e.s
}

// wantEnd waits for the connection's end.
func wantEnd(t *testing.T, c transport.Conn) *transport.ConnError {
	t.Helper()
	select {
	case <-c.Context().Done():
		return context.Cause(c.Context()).(*transport.ConnError)
	case <-time.After(10 * time.Second):
		t.Fatal("the connection does not end")
		return nil
	}
}
