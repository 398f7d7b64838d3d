package impl_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport"
)

// A decorator wraps each connection and the streams that this side opens, and
// forwards nothing but what the interfaces have.
type decorator struct {
	transport.Dialer
	mu      sync.Mutex
	streams []transport.SendStream // without the wrapper
}

func (d *decorator) Unwrap() transport.Dialer { return d.Dialer }

func (d *decorator) Dial(ctx context.Context, url string, protocols []string) (transport.Conn, error) {
	c, err := d.Dialer.Dial(ctx, url, protocols)
	return &decoratedConn{c, d}, err
}

// opened notes a stream.
func (d *decorator) opened(s transport.SendStream) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s != nil {
		d.streams = append(d.streams, s)
	}
}

// urgencies returns the urgencies of the streams, in the order in which they were opened.
func (d *decorator) urgencies() (all []int8) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.streams {
		u, _ := s.(interface{ Priority() (int8, bool) }).Priority()
		all = append(all, u)
	}
	return all
}

type decoratedConn struct {
	transport.Conn
	by *decorator
}

func (c *decoratedConn) Unwrap() transport.Conn { return c.Conn }

func (c *decoratedConn) OpenStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.Conn.OpenStream(ctx)
	c.by.opened(s)
	return decoratedStream{s}, err
}

func (c *decoratedConn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	s, err := c.Conn.OpenUniStream(ctx)
	c.by.opened(s)
	return decoratedSend{s}, err
}

type decoratedStream struct{ transport.Stream }

func (s decoratedStream) Unwrap() transport.Stream { return s.Stream }

type decoratedSend struct{ transport.SendStream }

func (s decoratedSend) Unwrap() transport.SendStream { return s.SendStream }

// TestDecoratedTransport checks that a session over a decorated transport has
// statistics, offers reports, and prioritizes its streams.
func TestDecoratedTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		sessions := make(chan api.Session, 1)
		server.Config.Handler = func(s api.Session) { sessions <- s }
		server.Start()
		defer server.Close()
		d := &decorator{Dialer: server.Network}
		client := server.Client()
		client.Transport = d
		client.Config = &api.Config{WaitForSetup: true}
		mux := api.NewTrackMux()
		if err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
			g, err := w.OpenGroup(w.Context())
			if err == nil {
				_ = g.WriteFrame(api.Frame{Payload: []byte("frame")})
			}
			<-w.Context().Done()
		}); err != nil {
			t.Fatal(err)
		}
		s, err := client.Dial(t.Context(), server.URL, mux)
		if err != nil {
			t.Fatal(err)
		}
		peer := <-sessions
		r, err := peer.Subscribe(t.Context(), "room", "track", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := r.AcceptGroup(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the client's SETUP may come after its first group
		if stats := s.Stats(); stats.BytesSent == 0 || stats.PacketsSent == 0 {
			t.Errorf("the client counts %+v", stats)
		}
		if got := peer.State().Peer.Probe; got != api.ProbeReports {
			t.Errorf("the client offers the probe level %d", got)
		}
		got := d.urgencies()
		if !slices.Contains(got, 0) || !slices.Contains(got, transport.DefaultUrgency) {
			t.Errorf("the urgencies are %v, want 0 of SETUP and %d of the group", got, transport.DefaultUrgency)
		}
		if err := s.Terminate(api.SessionNoError, ""); err != nil {
			t.Error(err)
		}
	})
}
