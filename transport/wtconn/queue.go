package wtconn

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// maxParked is how many streams of each kind are kept before the server has
// answered the request of their session.
const maxParked = 64

// A streamQueue holds streams until they are accepted, or until conn ends.
// Before removeLimit is called it holds at most maxParked; afterwards the
// stream limits of QUIC bound it. init is called first.
type streamQueue[T any] struct {
	queue     waiting.Queue[T]
	unlimited atomic.Bool
}

// init sets up a queue with the limit of streams that arrive before the
// response.
func (q *streamQueue[T]) init(conn context.Context) { q.queue.InitUntil(conn.Done()) }

// removeLimit removes the limit.
func (q *streamQueue[T]) removeLimit() { q.unlimited.Store(true) }

// push adds a stream. It reports false if the queue is full.
func (q *streamQueue[T]) push(stream T) bool {
	if q.unlimited.Load() {
		return q.queue.Push(stream)
	}
	return q.queue.PushWithin(maxParked, stream)
}

// pop waits for the next stream, until ctx or the connection ends, whose context
// is conn.
func (q *streamQueue[T]) pop(ctx, conn context.Context) (stream T, err error) {
	if conn.Err() == nil {
		stream, err = q.queue.Pop(ctx)
	}
	switch {
	case conn.Err() != nil:
		var none T
		return none, context.Cause(conn)
	case err != nil:
		return stream, fmt.Errorf("accept stream: %w", err)
	}
	return stream, nil
}
