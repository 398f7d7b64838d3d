package impl_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// When a socket fails, ListenAndServe ends and returns the reason.
func TestSocketOfServerFails(t *testing.T) {
	theirs, ours := certificate(t)
	for name, fail := range map[string]func(udp, tcp io.Closer) error{
		"UDP": func(udp, _ io.Closer) error { return udp.Close() },
		"TCP": func(_, tcp io.Closer) error { return tcp.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			transporttest.NoLeaks(t)
			udp, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			tcp, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := &impl.Server{TLSConfig: theirs, Mux: api.NewTrackMux(), Socket: udp, TCP: tcp}
			if _, err := s.Listen(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- s.ListenAndServe() }()
			viewer, err := client(t, &impl.Client{TLSConfig: ours}).Dial(t.Context(), "wss://"+tcp.Addr().String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := fail(udp, tcp); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err == nil || errors.Is(err, api.ErrServerClosed) {
					t.Errorf("ended with %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the server goes on")
			}
			select {
			case <-viewer.Context().Done():
			case <-time.After(10 * time.Second):
				t.Error("a session goes on")
			}
			if err := s.ListenAndServe(); !errors.Is(err, api.ErrServerClosed) {
				t.Errorf("ListenAndServe again: %v", err)
			}
		})
	}
}

// An asked is a listener whose connections call a function when their State is
// asked for.
type asked struct {
	transport.Listener
	f func()
}

func (l asked) Accept(ctx context.Context) (transport.Conn, error) {
	c, err := l.Listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return askedConn{c, l.f}, nil
}

type askedConn struct {
	transport.Conn
	f func()
}

func (c askedConn) State() transport.State {
	c.f()
	return c.Conn.State()
}

// Handler is not called with a session that begins while the server closes.
func TestHandlerGetsNoEndedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memconn.Network
		closing := false
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Config.Handler = func(s api.Session) { t.Errorf("the handler got a session that ended: %v", s.Context().Err()) }
		server.Config.ListenFunc = func(protocols []string) (transport.Listener, error) {
			l, err := network.Listen("host", protocols, nil)
			return asked{l, func() {
				if !closing {
					closing = true
					go server.Config.Close()
					synctest.Wait()
				}
			}}, err
		}
		ended := make(chan error, 1)
		go func() { ended <- server.Config.ListenAndServe() }()
		synctest.Wait()
		c := &impl.Client{Transport: &network}
		if s, err := c.Dial(t.Context(), "moqt://host", nil); err == nil {
			<-s.Context().Done()
		}
		if err := <-ended; !errors.Is(err, api.ErrServerClosed) {
			t.Errorf("ended with %v", err)
		}
		synctest.Wait()
		c.Close()
	})
}

var errUnclosed = errors.New("the socket does not close")

// Sockets that are closed and report that they were not.
type (
	badPacketConn struct{ net.PacketConn }
	badListener   struct{ net.Listener }
)

func (c badPacketConn) Close() error { _ = c.PacketConn.Close(); return errUnclosed }
func (l badListener) Close() error   { _ = l.Listener.Close(); return errUnclosed }

// TestCloseTellsOfSockets checks that Close and Shutdown report sockets that
// could not be closed, on each call.
func TestCloseTellsOfSockets(t *testing.T) {
	theirs, _ := certificate(t)
	for _, bad := range []string{"UDP", "TCP"} {
		for how, end := range map[string]func(*impl.Server) error{
			"Close":    (*impl.Server).Close,
			"Shutdown": func(s *impl.Server) error { return s.Shutdown(t.Context()) },
		} {
			t.Run(bad+" "+how, func(t *testing.T) {
				transporttest.NoLeaks(t)
				udp, err := net.ListenPacket("udp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				tcp, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				if bad == "UDP" {
					udp = badPacketConn{udp}
				} else {
					tcp = badListener{tcp}
				}
				s := &impl.Server{TLSConfig: theirs, Mux: api.NewTrackMux(), Socket: udp, TCP: tcp}
				if _, err := s.Listen(); err != nil {
					t.Fatal(err)
				}
				if err := end(s); !errors.Is(err, errUnclosed) {
					t.Errorf("%s: %v", how, err)
				}
				if err := s.Close(); !errors.Is(err, errUnclosed) {
					t.Errorf("Close after that: %v", err)
				}
			})
		}
	}
}
