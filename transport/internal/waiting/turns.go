package waiting

import (
	"context"
	"slices"
	"sync"
)

// Turns gives turns to waiting goroutines, first come, first served. It has no
// lock: the caller's lock must be held for each call.
type Turns struct {
	waiting []chan struct{} // in order; each is closed when its turn has come
}

// Waiting tells whether a goroutine waits.
func (t *Turns) Waiting() bool { return len(t.waiting) > 0 }

// Await waits for a turn, and releases lock while it waits. It returns the
// cause of ctx if ctx ends first. When over is closed, it returns nil without
// a turn.
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

// Next gives a turn to the goroutine that has waited longest. It reports false
// if none waits.
func (t *Turns) Next() bool {
	if !t.Waiting() {
		return false
	}
	close(t.waiting[0])
	t.waiting = slices.Delete(t.waiting, 0, 1)
	return true
}
