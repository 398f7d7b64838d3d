package auth

import (
	"errors"
	"fmt"

	"github.com/moqlite/moqlite/api"
)

// A refusal says why something is not allowed. It matches
// [api.ErrUnauthorized], and contains no token and no secret.
type refusal struct{ reason error }

func refuse(format string, args ...any) error { return &refusal{fmt.Errorf(format, args...)} }

// Error tells the reason.
func (r *refusal) Error() string { return r.reason.Error() }

// Is matches api.ErrUnauthorized.
func (r *refusal) Is(target error) bool { return target == api.ErrUnauthorized }

// unavailable marks the error of something that could not be asked.
func unavailable(err error) error {
	if errors.Is(err, api.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
}
