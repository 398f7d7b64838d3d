package impl

import (
	"errors"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// dialError translates the error of a transport's dial. cleanURL is shown to users and
// must hold no credentials.
func dialError(cleanURL string, err error) error {
	out := &api.DialError{URL: cleanURL, Phase: api.PhaseConnect, Err: err}
	if failed, ok := errors.AsType[*transport.DialError](err); ok {
		out.Transport, out.Phase, out.Err = failed.Transport, api.Phase(failed.Phase), failed.Err
	}
	for theirs, ours := range map[error]error{
		transport.ErrNoCommonProtocol:  api.ErrUnsupportedVersion,
		transport.ErrUnsupportedScheme: api.ErrUnsupportedScheme,
		transport.ErrUnauthorized:      api.ErrUnauthorized,
		transport.ErrNotFound:          api.ErrNotFound,
		transport.ErrUnavailable:       api.ErrUnavailable,
	} {
		if errors.Is(out.Err, theirs) {
			out.Err = &marked{out.Err, ours}
		}
	}
	return out
}

// marked is an error that also matches a sentinel of package api.
type marked struct {
	error
	sentinel error
}

func (m *marked) Unwrap() []error { return []error{m.error, m.sentinel} }
