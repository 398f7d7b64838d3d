package qmux

import (
	"context"
	"net"
	"sync"
)

// A queue hands on what was pushed, in order, to whoever pops.
type queue[T any] struct {
	done chan struct{} // closed by close

	mu    sync.Mutex
	items []T
	// ready holds a token while there may be items, for one pop at a time.
	ready  chan struct{}
	closed bool
}

func newQueue[T any]() *queue[T] {
	return &queue[T]{done: make(chan struct{}), ready: make(chan struct{}, 1)}
}

// push adds v, unless the queue is closed.
func (q *queue[T]) push(v T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.items = append(q.items, v)
	q.signal()
	return true
}

// pop waits for an item. It fails with the cause of ctx, and with
// net.ErrClosed after close.
func (q *queue[T]) pop(ctx context.Context) (T, error) {
	var zero T
	if ctx.Err() != nil && !q.isClosed() {
		return zero, context.Cause(ctx)
	}
	for {
		if v, ok := q.take(); ok {
			return v, nil
		}
		select {
		case <-q.ready:
		case <-q.done:
			return zero, net.ErrClosed
		case <-ctx.Done():
			return zero, context.Cause(ctx)
		}
	}
}

func (q *queue[T]) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

func (q *queue[T]) take() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return v, false
	}
	v = q.items[0]
	var zero T
	q.items[0] = zero
	if q.items = q.items[1:]; len(q.items) > 0 {
		q.signal()
	}
	return v, true
}

func (q *queue[T]) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *queue[T]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// close ends the queue and returns what nobody has popped.
func (q *queue[T]) close() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	close(q.done)
	rest := q.items
	q.items = nil
	return rest
}
