package transport

import "context"

type ownPath struct{}

// WithOwnPath returns a context whose dials go over a socket that nothing else
// uses. What balances load between servers may go by the client's port: over
// the socket of a connection to a server that is about to stop, the next one
// would lead to the same server. Dialers that share no socket need not heed it.
func WithOwnPath(ctx context.Context) context.Context {
	return context.WithValue(ctx, ownPath{}, true)
}

// WantsOwnPath tells whether ctx is one of [WithOwnPath].
func WantsOwnPath(ctx context.Context) bool { return ctx.Value(ownPath{}) != nil }

type noFallback struct{}

// WithoutFallback returns a context whose dials try no fallback: a [Fallback]
// dials with First alone.
func WithoutFallback(ctx context.Context) context.Context {
	return context.WithValue(ctx, noFallback{}, true)
}

// WantsNoFallback tells whether ctx is one of [WithoutFallback].
func WantsNoFallback(ctx context.Context) bool { return ctx.Value(noFallback{}) != nil }
