// Package admission decides on requests that ask for a session over HTTP.
package admission

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/moqlite/moqlite/transport"
)

// An Accept is what a server asks whether, and by whom, a session is served.
type Accept func(ctx context.Context, state transport.State) (serve func(transport.Conn), err error)

// Ask calls accept. Its panic, of which panicked hears, is an error.
func Ask(ctx context.Context, accept Accept, state transport.State, panicked func(any)) (serve func(transport.Conn), err error) {
	defer func() {
		if p := recover(); p != nil {
			panicked(p)
			serve, err = nil, errors.New("panic")
		}
	}()
	serve, err = accept(ctx, state)
	if err == nil && serve == nil {
		err = errors.New("nobody serves the session")
	}
	return serve, err
}

// Refusal is the status of an error of an Accept.
func Refusal(err error) int {
	switch {
	case errors.Is(err, transport.ErrUnauthorized):
		return http.StatusUnauthorized
	case errors.Is(err, transport.ErrNotFound):
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// Allows says that pages of an origin may connect, if those of origins may; nil
// is all, and no origin is no page.
func Allows(origins []string, origin string) bool {
	return origin == "" || origins == nil || slices.ContainsFunc(origins, func(o string) bool {
		return strings.EqualFold(strings.TrimSuffix(o, "/"), origin)
	})
}
