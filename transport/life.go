package transport

import "context"

// A Life is the context of a connection or stream, for those who write transports:
// it is made when it is first asked for, which most never are, and ends with its
// owner. It has no lock: the owner's lock guards it. It is one pointer in size,
// and the zero value is ready.
type Life struct{ made *madeLife }

type madeLife struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Context returns the context. over is why the owner is over, and nil while it
// is not: a context that is made later has ended already.
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

// Made tells whether the context has been asked for.
func (l *Life) Made() bool { return l.made != nil }

// End ends the context with a cause, if it has been asked for. The first cause
// stays.
func (l *Life) End(cause error) {
	if l.made != nil {
		l.made.cancel(cause)
	}
}
