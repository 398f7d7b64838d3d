package session

import (
	"cmp"
	"context"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
)

// A session serves its peer when it is ready. Until then the peer's requests are accepted
// and read, and their handlers wait.

// Ready waits until the session may serve its peer. A session without Authorize is
// ready at once; otherwise it is when Authorize has let the peer in.
func (s *Session) Ready(ctx context.Context) error { return s.life.await(ctx, &s.ready) }

// admitPeer begins to serve the peer and sends our SETUP. SETUP is not sent earlier, so
// that a peer that waits for it gets the refusal of Authorize instead.
func (s *Session) admitPeer() {
	s.ready.Happen()
	if s.version.Setup {
		s.life.spawn(func() { sendSetup(s.version, &s.opts, s.conn) })
	}
}

// authorize calls Options.Authorize once the peer's URL is known: at once if the
// connection carries it, or else after the peer's SETUP.
func (s *Session) authorize() {
	if _, err := s.peer.awaitRoot(s.Context()); err != nil {
		return
	}
	mux, err := control.Ask(s.Context(), s.opts.Logger, "Authorize", func() (*api.TrackMux, error) {
		return s.opts.Authorize(s.Context(), s.State())
	})
	switch {
	case s.life.isOver():
	case err != nil:
		s.opts.Logger.Info("session refused", "remote", s.conn.State().Remote, "error", err)
		s.fail(api.SessionUnauthorized, "unauthorized")
	default:
		s.opts.Mux = cmp.Or(mux, s.opts.Mux)
		s.admitPeer()
	}
}
