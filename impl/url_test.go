package impl_test

import (
	"context"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

// A blank is a connection that does not know the URL, and does not carry it.
type blank struct{ transport.Conn }

func (c blank) State() transport.State {
	state := c.Conn.State()
	state.URL, state.CarriesURL = nil, false
	return state
}

// A blankListener accepts blank connections.
type blankListener struct{ transport.Listener }

func (l blankListener) Accept(ctx context.Context) (transport.Conn, error) {
	c, err := l.Listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return blank{c}, nil
}

// TestURLDoesWithoutTheTransport dials over a transport that does not carry
// the URL: the client's session knows it, and its SETUP tells the server.
func TestURLDoesWithoutTheTransport(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(memconn.Network)
				begun := make(chan api.Session, 1)
				server := &impl.Server{
					Mux:     api.NewTrackMux(),
					Handler: func(s api.Session) { begun <- s },
					ListenFunc: func(protocols []string) (transport.Listener, error) {
						l, err := network.Listen("relay.example", protocols, nil)
						return blankListener{l}, err
					},
				}
				if _, err := server.Listen(); err != nil {
					t.Fatal(err)
				}
				go func() { _ = server.ListenAndServe() }()
				defer server.Close()
				client := &impl.Client{
					Config: &api.Config{Versions: []api.Version{v}},
					Transport: transport.DialerFunc(func(ctx context.Context, url string, protocols []string) (transport.Conn, error) {
						c, err := network.Dial(ctx, url, protocols)
						if err != nil {
							return nil, err
						}
						return blank{c}, nil
					}),
				}
				defer client.Close()
				const dialled = "moqt://relay.example/live/a%2Fb?jwt=x"
				s, err := client.Dial(t.Context(), dialled, nil)
				if err != nil {
					t.Fatal(err)
				}
				if u := s.State().URL; u.String() != dialled {
					t.Errorf("the client knows %v", u)
				}
				synctest.Wait() // the SETUP has come
				if u := (<-begun).State().URL; u.EscapedPath() != "/live/a%2Fb" || u.RawQuery != "jwt=x" {
					t.Errorf("the server was told %v", u)
				}
			})
		})
	}
}

// TestServersKnowAURL checks which URL Admit and handlers get when clients
// have dialled only a host: it is never nil.
func TestServersKnowAURL(t *testing.T) {
	for _, scheme := range []string{"memory", "moqt", "https", "wss", "tls"} {
		for _, v := range api.Versions() {
			t.Run(scheme+"/"+string(v), func(t *testing.T) {
				told := make(chan *url.URL, 2)
				server := moqtest.NewUnstartedServer(api.NewTrackMux())
				server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
					told <- r.State.URL
					return api.GrantAll(), nil
				}
				server.Config.Handler = func(s api.Session) { told <- s.State().URL }
				if scheme == "memory" {
					server.Start()
				} else {
					server.StartSockets()
				}
				defer server.Close()
				u, err := url.Parse(server.URL)
				if err != nil {
					t.Fatal(err)
				}
				if scheme != "memory" {
					u.Scheme = scheme
				}
				c := server.Client()
				c.Config = &api.Config{Versions: []api.Version{v}}
				if _, err := c.Dial(t.Context(), u.String(), nil); err != nil {
					t.Fatal(err)
				}
				for _, whom := range []string{"one of Admit and the handler", "the other"} {
					select {
					case u := <-told:
						if u == nil || u.Host == "" {
							t.Errorf("%s was told the URL %v", whom, u)
						}
					case <-time.After(10 * time.Second):
						t.Fatalf("%s was not called", whom)
					}
				}
			})
		}
	}
}
