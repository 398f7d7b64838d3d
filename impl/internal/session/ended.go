package session

import (
	"errors"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
)

// Who has given a grant with an Ended is told of its end exactly once, whatever has become
// of the session: a server that counts sessions must not count one for ever. No session
// waits for Ended, which may block, and may close the server; the server does when it
// closes, within a bound.

// tellEnd calls the Ended of the session's grant. It is called when the session has ended,
// and when it has got its grant, and does something once both are so.
func (s *Session) tellEnd() {
	p := s.permit.Load()
	if p == nil || p.Ended == nil || !s.life.isOver() || s.endTold.Swap(true) {
		return
	}
	end := api.SessionEnd{Reason: endReason(s.life.err()), Duration: s.clock()}
	control.Call(&s.opts.log, "Ended", func() {
		s.life.tasks.Wait() // then the counts are final
		stats := s.Stats()
		end.BytesSent, end.BytesReceived = stats.BytesSent, stats.BytesReceived
		p.Ended(end)
	}, nil)
}

// endReason returns the reason of a [api.SessionEnd].
func endReason(err error) string {
	e, ok := errors.AsType[*api.SessionError](err)
	switch {
	case !ok:
		return err.Error()
	case e.Err != nil:
		return "lost: " + e.Err.Error()
	case e.Reason == "" || e.Code == api.SessionNoError:
		return e.Code.String()
	default:
		return e.Reason
	}
}

// Abandon calls the Ended of a grant of which no session has come. g may be nil.
func Abandon(logger control.Logger, g *api.Grant, reason string) {
	if g == nil || g.Ended == nil {
		return
	}
	control.Call(logger, "Ended", func() { g.Ended(api.SessionEnd{Reason: reason}) }, nil)
}
