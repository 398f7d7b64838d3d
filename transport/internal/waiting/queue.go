package waiting

import (
	"context"
	"net"
	"sync"
)

// A Queue is a first-in, first-out queue without a bound. Make one with NewQueue or
// InitUntil. All methods may be called concurrently.
type Queue[T any] struct {
	done <-chan struct{} // closed when the queue ends
	end  chan<- struct{} // done, if Close closes it; nil after InitUntil

	mu    sync.Mutex
	items FIFO[T]
	// ready holds a token while there may be items. It wakes one Pop at a
	// time.
	ready  chan struct{}
	closed bool
}

// NewQueue returns an empty queue.
func NewQueue[T any]() *Queue[T] {
	end := make(chan struct{})
	return &Queue[T]{done: end, end: end, ready: make(chan struct{}, 1)}
}

// InitUntil makes q an empty queue that ends when done is closed, which costs less than to
// call Close then. Close must not be called. Push does not see the end.
func (q *Queue[T]) InitUntil(done <-chan struct{}) {
	q.done, q.ready = done, make(chan struct{}, 1)
}

// Push adds v. It reports false if the queue is closed.
func (q *Queue[T]) Push(v T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.push(v)
}

// PushWithin adds v unless the queue holds as many items as limit. It reports
// false then, and if the queue is closed.
func (q *Queue[T]) PushWithin(limit int, v T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.items.Len() < limit && q.push(v)
}

func (q *Queue[T]) push(v T) bool {
	if q.closed {
		return false
	}
	q.items.Push(v)
	q.signal()
	return true
}

// Pop waits for an item. It returns the cause of ctx if ctx ends first, and
// net.ErrClosed after Close.
func (q *Queue[T]) Pop(ctx context.Context) (T, error) {
	var zero T
	if ctx.Err() != nil && !q.isClosed() {
		return zero, context.Cause(ctx)
	}
	for {
		if v, ok := q.takeItem(); ok {
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

// isClosed tells whether Close was called.
func (q *Queue[T]) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// takeItem removes the first item, without waiting. If more are left it wakes
// the next Pop, since ready holds one token however many items were added.
func (q *Queue[T]) takeItem() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.items.Len() == 0 {
		return v, false
	}
	v = q.items.Pop()
	if q.items.Len() > 0 {
		q.signal()
	}
	return v, true
}

// signal wakes one Pop. The lock is held.
func (q *Queue[T]) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// Done returns a channel that Close closes.
func (q *Queue[T]) Done() <-chan struct{} { return q.done }

// Len returns the number of items.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.items.Len()
}

// Close closes the queue and returns the remaining items.
func (q *Queue[T]) Close() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	close(q.end)
	return q.items.Drop()
}
