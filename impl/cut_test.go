package impl_test

import (
	"context"
	"errors"
	"io"
	"net/url"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// A cutServer is a server on sockets, and a cable to it.
type cutServer struct {
	*moqtest.Server
	cable   *transporttest.Cable
	scheme  string
	version api.Version
}

// onEachCable runs a test over each transport that uses sockets, and in each
// version where that takes no extra time.
func onEachCable(t *testing.T, f func(t *testing.T, start func(*moqtest.Server) *cutServer)) {
	for _, scheme := range []string{"ws", "wss", "tcp", "tls", "moqt", "https"} {
		versions := api.Versions()
		if scheme == "moqt" || scheme == "https" {
			versions = versions[:1] // a loss is noticed after a second
		}
		for _, v := range versions {
			t.Run(scheme+" "+string(v), func(t *testing.T) {
				t.Parallel()
				f(t, func(server *moqtest.Server) *cutServer {
					server.Config.Config = &api.Config{Versions: []api.Version{v}}
					server.Config.QUICConfig = quicconn.DefaultConfig()
					server.Config.QUICConfig.MaxIdleTimeout = time.Second
					server.StartSockets()
					t.Cleanup(server.Close)
					u, err := url.Parse(server.URL)
					if err != nil {
						t.Fatal(err)
					}
					return &cutServer{server, transporttest.NewCable(t, u.Host), scheme, v}
				})
			})
		}
	}
}

// client returns a client of the server's version and transport.
func (s *cutServer) client() *impl.Client {
	c := s.Client()
	c.QUICConfig = s.Config.QUICConfig
	c.Config = &api.Config{Versions: []api.Version{s.version}}
	return c
}

// dialCable dials through the cable.
func (s *cutServer) dialCable(t *testing.T, mux *api.TrackMux) api.Session {
	t.Helper()
	session, err := s.client().Dial(t.Context(), s.scheme+"://"+s.cable.Addr, mux)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// publishHalf publishes "room" with a group of one frame that does not end.
func publishHalf(t *testing.T, mux *api.TrackMux) {
	publish(t, mux, func(w api.TrackWriter) {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: []byte("1 of 2")})
		<-w.Context().Done()
	})
}

// A connection that is cut between two frames does not look like the end of
// anything that was read over it.
func TestCutIsNoEnd(t *testing.T) {
	onEachCable(t, func(t *testing.T, start func(*moqtest.Server) *cutServer) {
		mux := api.NewTrackMux()
		publishHalf(t, mux)
		server := start(moqtest.NewUnstartedServer(mux))
		s := server.dialCable(t, api.NewTrackMux())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		announced, err := s.Announcements(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		r := subscribe(t, s, "room", nil)
		g := accept(t, r)
		expectFrame(t, g)
		server.cable.Cut()

		expectLoss(t, "ReadFrame", g.ReadFrame(new(api.Frame)))
		_, err = r.AcceptGroup(ctx)
		expectLoss(t, "AcceptGroup", err)
		if err := r.ReceiveDatagram(ctx, new(api.Datagram)); !errors.Is(err, api.ErrNotSupported) {
			expectLoss(t, "ReceiveDatagram", err)
		}
		expectLoss(t, "the track's context", context.Cause(r.Context()))
		for _, err = range api.Announcements(ctx, announced) {
		}
		expectLoss(t, "Announcements", err)
		<-s.Context().Done()
		expectLoss(t, "the session's context", context.Cause(s.Context()))
		_, err = s.Subscribe(ctx, "room", "video", nil)
		expectLoss(t, "Subscribe", err)
	})
}

// When a relay loses its publisher, its subscribers do not see an end.
func TestCutPublisherIsNoEnd(t *testing.T) {
	onEachCable(t, func(t *testing.T, start func(*moqtest.Server) *cutServer) {
		server := moqtest.NewUnstartedRelay()
		s := start(server)
		mux := api.NewTrackMux()
		publishHalf(t, mux)
		s.dialCable(t, mux)
		viewer, err := s.client().Dial(t.Context(), server.URL, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		awaitRoom(t, viewer)
		track := subscribe(t, viewer, "room", nil)
		g := accept(t, track)
		expectFrame(t, g)
		s.cable.Cut()

		err = g.ReadFrame(new(api.Frame))
		reset, ok := errors.AsType[*api.StreamError](err)
		if !ok || !reset.Remote {
			t.Errorf("ReadFrame: %v, want a reset", err)
		}
		if _, err := track.AcceptGroup(ctx); err == nil || errors.Is(err, io.EOF) || ctx.Err() != nil {
			t.Errorf("AcceptGroup: %v, want an error that is no end", err)
		}
	})
}

// awaitRoom waits until "room" is announced.
func awaitRoom(t *testing.T, s api.Session) {
	t.Helper()
	r, err := s.Announcements(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		a, err := r.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if a.Status == api.AnnouncementActive {
			return
		}
	}
}

func expectFrame(t *testing.T, g api.GroupReader) {
	t.Helper()
	if err := g.ReadFrame(new(api.Frame)); err != nil {
		t.Fatal(err)
	}
}

// expectLoss checks that err says that the session was lost.
func expectLoss(t *testing.T, what string, err error) {
	t.Helper()
	lost, ok := errors.AsType[*api.SessionError](err)
	if !ok || lost.Err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%s: %v, want the loss of the session", what, err)
	}
}
