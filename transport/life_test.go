package transport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// The context ends with its owner and the owner's cause, whether it was
// created before or after.
func TestLifeEndsWithItsOwner(t *testing.T) {
	cause := errors.New("over")
	var early transport.Life
	early.End(cause) // of which nobody asks
	if early.Made() {
		t.Error("End has made a context")
	}
	if ctx := early.Context(cause); context.Cause(ctx) != cause {
		t.Errorf("asked for afterwards it has ended with %v, want %v", context.Cause(ctx), cause)
	}
	var l transport.Life
	ctx := l.Context(nil)
	if !l.Made() || l.Context(nil) != ctx {
		t.Error("the context was not made once")
	}
	if ctx.Err() != nil {
		t.Error("it has ended with its owner alive")
	}
	l.End(cause)
	l.End(errors.New("later"))
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Fatal("it has not ended")
	}
	if context.Cause(ctx) != cause {
		t.Errorf("it has ended with %v, want %v", context.Cause(ctx), cause)
	}
}
