package impl_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// publishOpen publishes "room" with a number of groups that do not end.
func publishOpen(t *testing.T, mux *api.TrackMux, groups int) {
	publish(t, mux, func(w api.TrackWriter) {
		for range groups {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				return
			}
			_ = g.WriteFrame(api.Frame{Payload: []byte("1 of 2")})
		}
		<-w.Context().Done()
	})
}

// A publisher that closes its session has not reset its open groups, ended its
// tracks, or withdrawn its broadcasts: the reader learns only that the session
// was closed, over each transport, and may subscribe elsewhere.
func TestCloseIsAllThatIsTold(t *testing.T) {
	const groups = 20
	onEachCable(t, func(t *testing.T, start func(*moqtest.Server) *cutServer) {
		for _, who := range []string{"client", "server"} {
			ofServer, ofClient := api.NewTrackMux(), api.NewTrackMux()
			publishOpen(t, ofServer, groups)
			publishOpen(t, ofClient, groups)
			server := moqtest.NewUnstartedServer(ofServer)
			sessions := make(chan api.Session, 1)
			server.Config.Handler = func(s api.Session) { sessions <- s }
			s := start(server)
			reader := s.dialCable(t, ofClient)
			closing := <-sessions
			if who == "client" {
				reader, closing = closing, reader
			}
			expectCloseAlone(t, who, reader, groups, func() { _ = closing.Terminate(api.SessionGoAwayTimeout, "enough") })
		}
	})
}

// expectCloseAlone reads what there is of "room", and checks that everything
// ends with the session when the peer closes it.
func expectCloseAlone(t *testing.T, who string, s api.Session, groups int, shut func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	awaitRoom(t, s)
	announced, err := s.Announcements(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	r := subscribe(t, s, "room", nil)
	var open []api.GroupReader
	for range groups {
		g := accept(t, r)
		expectFrame(t, g)
		open = append(open, g)
	}
	shut()
	expect := func(what string, err error) {
		closed, ok := errors.AsType[*api.SessionError](err)
		if !ok || closed.Code != api.SessionGoAwayTimeout || !closed.Remote {
			t.Errorf("the %s closes: %s: %v, want the session's close", who, what, err)
		}
	}
	for _, g := range open {
		expect("ReadFrame", g.ReadFrame(new(api.Frame)))
	}
	_, err = r.AcceptGroup(ctx)
	expect("AcceptGroup", err)
	if gaps := r.Gaps(); gaps != nil {
		t.Errorf("the %s closes: told as lost: %v", who, gaps)
	}
	for a, err := range api.Announcements(ctx, announced) {
		switch {
		case err != nil:
			expect("Announcements", err)
		case a.Status == api.AnnouncementEnded:
			t.Errorf("the %s closes: told: %v %q", who, a.Status, a.Path)
		}
	}
}
