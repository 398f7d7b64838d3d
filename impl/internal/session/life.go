package session

import "context"

// A life ends with what it is of, and says why.
type life struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newLife() *life {
	l := new(life)
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l
}
