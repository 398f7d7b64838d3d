package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// Errors of a transport are translated to those of package api once, where they leave it,
// so that the same errors.Is holds over every transport: a reset stream is an
// [api.StreamError], a lost connection an [api.SessionError]. Neither is ever io.EOF, which
// is only the regular end of a track or a group.

// streamError translates the error of a transport's stream to one of package api.
func streamError(err error) error {
	if err == nil {
		return nil
	}
	if reset, ok := errors.AsType[*transport.StreamError](err); ok {
		return &api.StreamError{Code: api.StreamErrorCode(reset.Code), Remote: reset.Remote}
	}
	if lost, ok := errors.AsType[*transport.ConnError](err); ok {
		return sessionError(lost)
	}
	if errors.Is(err, net.ErrClosed) {
		return api.ErrClosed
	}
	return err
}

// sessionError translates the error that a connection has ended with. Only a close by the
// peer, or by this end, has a code of the protocol; anything else counts as internal.
func sessionError(err error) *api.SessionError {
	if already, ok := errors.AsType[*api.SessionError](err); ok {
		return already
	}
	switch lost, ok := errors.AsType[*transport.ConnError](err); {
	case !ok:
		return &api.SessionError{Code: api.SessionInternal, Err: err}
	case errors.Is(lost.Err, transport.ErrUnauthorized):
		return &api.SessionError{Code: api.SessionUnauthorized, Remote: lost.Remote, Err: lost.Err}
	case lost.Err != nil:
		return &api.SessionError{Code: api.SessionInternal, Remote: lost.Remote, Err: lost.Err}
	default:
		return &api.SessionError{Code: api.SessionErrorCode(lost.Code), Reason: lost.Reason, Remote: lost.Remote}
	}
}

// refusalCode returns the code with which a stream of the peer is refused because its type
// or its first message could not be read: one that tells why, if the peer was too slow or
// there was no room, and otherwise code.
func refusalCode(err error, code api.StreamErrorCode) api.StreamErrorCode {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return api.StreamControlTimeout
	case errors.Is(err, message.ErrNoRoom):
		return api.StreamNoCapacity
	default:
		return code
	}
}

// cause adds the operation to err. If ctx has ended, the context's cause takes the place
// of err, which is only how the operation was interrupted.
func cause(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w", operation, err)
}

// unfinished turns io.EOF into io.ErrUnexpectedEOF, for a stream that ended where an
// answer, or the rest of one, had to come.
func unfinished(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
