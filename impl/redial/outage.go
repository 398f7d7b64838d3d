package redial

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
)

// An outage is a time without a session that was admitted. A dial may succeed and the
// session be turned down a moment later, over most transports: that goes on with the
// outage, so that a server which turns everybody down is left alone in the end.
type outage struct {
	began    time.Time
	attempts int   // dials, all of them in vain but perhaps the last
	last     error // why the session was turned down that was dialled last, if it was
}

func newOutage() outage { return outage{began: time.Now()} }

// givenUp returns the error after too many attempts; err is that of the last one.
func (o outage) givenUp(err error) error {
	return fmt.Errorf("redial: given up after %d attempts: %w", o.attempts, err)
}

// wasTurnedDown reports whether the session has ended before it was admitted: nobody
// could decide on it, it was refused, or the peer's SETUP has not come.
func (l *link) wasTurnedDown() bool {
	err := context.Cause(l.session.Context())
	ended, ok := errors.AsType[*api.SessionError](err)
	switch {
	case err == nil:
		return false
	case errors.Is(err, api.ErrUnavailable):
		return true
	case errors.Is(err, api.ErrUnauthorized): // later, its grant has expired
		return time.Since(l.began) < stableAfter
	default:
		return ok && ended.Code == api.SessionControlTimeout && l.session.State().Peer == api.PeerSetup{}
	}
}
