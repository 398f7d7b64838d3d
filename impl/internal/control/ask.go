package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// ErrPanicked is the answer of a handler that panicked. To a peer it is told as
// an internal error.
var ErrPanicked = errors.New("the application's handler panicked")

// Ask calls f, which is the application's, in a goroutine of its own, and returns
// its answer, or the cause of ctx when that ends first: f is not waited for then,
// and its answer is dropped. A panic is logged with the handler's name, and the
// answer is [ErrPanicked].
func Ask[T any](ctx context.Context, logger *slog.Logger, name string, f func() (T, error)) (T, error) {
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

// Call calls f, which is the application's, in a goroutine that nobody waits for.
// A panic is logged with the handler's name. failed, if not nil, is called when f
// does not return, for whatever reason.
func Call(logger *slog.Logger, name string, f, failed func()) {
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
