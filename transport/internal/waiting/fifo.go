package waiting

// A FIFO is a queue in an array that is used again. It has no lock.
type FIFO[T any] struct {
	items []T
	head  int
}

// Len returns the number of items.
func (q *FIFO[T]) Len() int { return len(q.items) - q.head }

// First returns the next item without removing it. The queue must not be
// empty.
func (q *FIFO[T]) First() *T { return &q.items[q.head] }

// Push adds v.
func (q *FIFO[T]) Push(v T) {
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

// Pop removes the next item. The queue must not be empty.
func (q *FIFO[T]) Pop() T {
	var zero T
	v := q.items[q.head]
	q.items[q.head] = zero
	if q.head++; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return v
}

// Drop removes all items and the array, and returns the items.
func (q *FIFO[T]) Drop() []T {
	rest := q.items[q.head:]
	*q = FIFO[T]{}
	return rest
}
