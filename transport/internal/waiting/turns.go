package waiting

import (
	"context"
	"slices"
	"sync"
)

// Turns hands what becomes free to whoever has waited longest. Its user's lock
// guards it.
type Turns struct {
	waiting []chan struct{} // each closed when its turn has come
}

// Waiting tells whether anybody waits.
func (t *Turns) Waiting() bool { return len(t.waiting) > 0 }

// Await waits for a turn, without the lock meanwhile. It fails with the cause
// of ctx; when over is closed, it returns without a turn.
func (t *Turns) Await(ctx context.Context, lock sync.Locker, over <-chan struct{}) error {
	turn := make(chan struct{})
	t.waiting = append(t.waiting, turn)
	lock.Unlock()
	select {
	case <-turn:
	case <-ctx.Done():
	case <-over:
	}
	lock.Lock()
	i := slices.Index(t.waiting, turn)
	if i < 0 {
		return nil
	}
	t.waiting = slices.Delete(t.waiting, i, i+1)
	return context.Cause(ctx)
}

// Next lets the one that has waited longest go. It reports false when nobody
// waits.
func (t *Turns) Next() bool {
	if !t.Waiting() {
		return false
	}
	close(t.waiting[0])
	t.waiting = slices.Delete(t.waiting, 0, 1)
	return true
}
