package transport

import "context"

// A Life is the context of a connection or stream. It is meant for
// implementations of transports, where most connections and streams are never
// asked for their context: the context is created by the first call of
// Context. A Life has no lock; its owner's lock must be held for each call. It
// is one pointer in size, and the zero value is ready to use.
type Life struct{ made *madeLife }

type madeLife struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Context returns the context, and creates it if needed. over is the cause of
// the owner's end, or nil while the owner lives: a context that is created
// after the end is cancelled with that cause.
func (l *Life) Context(over error) context.Context {
	if l.made == nil {
		l.made = new(madeLife)
		l.made.ctx, l.made.cancel = context.WithCancelCause(context.Background())
		if over != nil {
			l.made.cancel(over)
		}
	}
	return l.made.ctx
}

// Made tells whether the context was created.
func (l *Life) Made() bool { return l.made != nil }

// End cancels the context with a cause if it was created. The first cause
// stays.
func (l *Life) End(cause error) {
	if l.made != nil {
		l.made.cancel(cause)
	}
}
