package relay

import (
	"errors"

	"github.com/moqlite/moqlite/api"
)

// The end of an upstream session must not be reported to a viewer as it is: the
// viewer's own session goes on, and it would take the upstream's GOAWAY for one
// of this relay. So a viewer gets a code from upstream only if it is about the
// contents. Any other error concerns one hop: another route may work, and if
// none does, the viewer gets a code for what has become of the track here.
//
// trackCode returns the code that viewers get for a track that has failed
// upstream with err. It is final if no other route would do better.
func trackCode(err error) (code api.StreamErrorCode, final bool) {
	return codeOf(err, api.StreamUnroutable)
}

// groupCode is trackCode for a group.
func groupCode(err error) (code api.StreamErrorCode, final bool) {
	return codeOf(err, api.StreamDeliveryTimeout)
}

// fetchCode is trackCode for a fetch that was refused, and groupCode for one
// that has begun.
func fetchCode(c *copier, err error) (code api.StreamErrorCode, final bool) {
	if c.begun {
		return groupCode(err)
	}
	return trackCode(err)
}

// isA reports whether err is, or wraps, an error of a type.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// codeOf returns the code of err if that is about the contents, and else lost.
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
