package control

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrPanicked is returned for a handler that has panicked. The peer gets the code of an
// internal error.
var ErrPanicked = errors.New("the application's handler panicked")

// A Logger gets the panics of handlers. A *slog.Logger is one.
type Logger interface {
	Error(what string, args ...any)
}

// Ask calls f, a handler of the application, in a goroutine of its own and returns what
// it returns. If ctx ends first, Ask returns the cause of ctx; it then does not wait for
// f, and ignores its result. If f panics, that is logged with the handler's name, and Ask
// returns [ErrPanicked].
func Ask[T any](ctx context.Context, logger Logger, name string, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	Call(logger, name, func() {
		value, err := f()
		answered <- answer{value, err}
	}, func() { answered <- answer{err: ErrPanicked} })
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// Call calls f, a handler of the application, in a goroutine that nobody waits for. A panic
// is logged with the handler's name. failed, if not nil, is called if f does not return
// normally, that is, panics or ends its goroutine.
func Call(logger Logger, name string, f, failed func()) {
	go func() {
		returned := false
		defer func() {
			if v := recover(); v != nil {
				logger.Error("handler panicked", "handler", name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			}
			if !returned && failed != nil {
				failed()
			}
		}()
		f()
		returned = true
	}()
}
