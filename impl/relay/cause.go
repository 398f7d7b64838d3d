package relay

import (
	"errors"

	"github.com/moqlite/moqlite/api"
)

// What happens to a session upstream is no concern of a viewer, whose own
// session stands: told as it came, the upstream's leaving would be taken for
// the leaving of this relay. So only what a publisher says of its contents is
// passed on. Everything else is the fate of one hop: another route may do
// better, and where none does, the viewer learns what has become of the track
// here.

// trackCode is what a viewer is told of a track that has failed upstream with
// err. It is final where no other route could do better.
func trackCode(err error) (code api.StreamErrorCode, final bool) {
	return codeOf(err, api.StreamUnroutable)
}

// groupCode is trackCode for a group.
func groupCode(err error) (code api.StreamErrorCode, final bool) {
	return codeOf(err, api.StreamDeliveryTimeout)
}

// fetchCode is trackCode for a fetch, which is refused, or breaks off when it has
// begun.
func fetchCode(c *copier, err error) (code api.StreamErrorCode, final bool) {
	if c.begun {
		return groupCode(err)
	}
	return trackCode(err)
}

// isA tells whether err is, or wraps, an error of a type.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// codeOf is the code of err where that speaks of contents, and else lost.
func codeOf(err error, lost api.StreamErrorCode) (code api.StreamErrorCode, final bool) {
	reset, ok := errors.AsType[*api.StreamError](err)
	switch {
	case isA[*api.SessionError](err):
		return lost, false
	case !ok:
		if errors.Is(err, api.ErrNotFound) {
			return api.StreamNotFound, true
		}
		return lost, false
	}
	if reset == errNoCapacity {
		return reset.Code, false
	}
	switch reset.Code {
	case api.StreamInternal, api.StreamCancelled:
		// The publisher's word, or how some peers reset whatever the cause.
		return reset.Code, false
	case api.StreamDeliveryTimeout, api.StreamSessionClosed, api.StreamGoingAway, api.StreamTooFarBehind,
		api.StreamNoCapacity, api.StreamControlTimeout, api.StreamUnroutable:
		return lost, false
	default:
		return reset.Code, true
	}
}
