package wtconn

import (
	"context"
	"fmt"
	"sync"
)

// maxParked is how many streams of each kind are kept before the server has
// answered the request of their session.
const maxParked = 64

// A streamQueue holds streams until they are accepted. Before open is called it
// holds at most maxParked; afterwards the stream limits of QUIC bound it.
type streamQueue[T any] struct {
	mu        sync.Mutex
	items     []T
	unlimited bool
	ready     chan struct{} // holds a token while there may be items
}

// newStreamQueue returns a queue with the limit of streams that arrive before
// the response.
func newStreamQueue[T any]() *streamQueue[T] { return &streamQueue[T]{ready: make(chan struct{}, 1)} }

// removeLimit removes the limit.
func (q *streamQueue[T]) removeLimit() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unlimited = true
}

// push adds an item. It reports false if the queue is full.
func (q *streamQueue[T]) push(item T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.unlimited && len(q.items) >= maxParked {
		return false
	}
	q.items = append(q.items, item)
	q.signal()
	return true
}

// signal wakes one goroutine in pop. The lock is held.
func (q *streamQueue[T]) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// pop waits for the next item, until ctx or the connection ends.
func (q *streamQueue[T]) pop(ctx, conn context.Context) (item T, err error) {
	for {
		switch {
		case conn.Err() != nil:
			return item, context.Cause(conn)
		case ctx.Err() != nil:
			return item, fmt.Errorf("accept stream: %w", context.Cause(ctx))
		}
		if item, ok := q.takeItem(); ok {
			return item, nil
		}
		select {
		case <-conn.Done():
		case <-ctx.Done():
		case <-q.ready:
		}
	}
}

// takeItem removes the first item, without waiting. If more are left it wakes
// the next goroutine, since ready holds one token however many items were
// added.
func (q *streamQueue[T]) takeItem() (item T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return item, false
	}
	var none T
	item, q.items[0] = q.items[0], none
	if q.items = q.items[1:]; len(q.items) > 0 {
		q.signal()
	}
	return item, true
}
