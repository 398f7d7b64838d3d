// Package admission decides whether HTTP requests for a session are accepted.
package admission

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/moqlite/moqlite/transport"
)

// An Accept decides whether a session is accepted, and returns the function
// that serves it.
type Accept func(ctx context.Context, state transport.State) (serve func(transport.Conn), err error)

// Ask calls accept. If that panics, Ask calls panicked with the value and
// returns an error. A nil serve without an error is an error too.
func Ask(ctx context.Context, accept Accept, state transport.State, panicked func(any)) (serve func(transport.Conn), err error) {
	defer func() {
		if p := recover(); p != nil {
			panicked(p)
			serve, err = nil, errors.New("panic")
		}
	}()
	serve, err = accept(ctx, state)
	if err == nil && serve == nil {
		err = errors.New("Accept returned no function to serve the session")
	}
	return serve, err
}

// Refusal returns the HTTP status for an error of an Accept.
func Refusal(err error) int {
	switch {
	case errors.Is(err, transport.ErrUnauthorized):
		return http.StatusUnauthorized
	case errors.Is(err, transport.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, transport.ErrUnavailable):
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}

// OriginError returns why a request with the given Origin header is refused.
func OriginError(origin string) error {
	return fmt.Errorf("pages of %.200q may not connect", origin)
}

// Allows tells whether a request with the given Origin header may connect when
// only pages of origins may. Nil origins allow all; an empty origin is always
// allowed, since the request is not from a web page.
func Allows(origins []string, origin string) bool {
	return origin == "" || origins == nil || slices.ContainsFunc(origins, func(o string) bool {
		return strings.EqualFold(strings.TrimSuffix(o, "/"), origin)
	})
}
