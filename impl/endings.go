package impl

import (
	"context"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// endedWithin is how long Close waits for the Ended of grants.
const endedWithin = time.Second

// endings counts the grants whose Ended has not returned yet. The zero value has none.
type endings struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when there are none; nil unless somebody waits
}

// watch has the Ended of a grant counted, until it has returned.
func (e *endings) watch(g *api.Grant) {
	ended := g.Ended
	if ended == nil {
		return
	}
	e.mu.Lock()
	e.n++
	e.mu.Unlock()
	g.Ended = func(end api.SessionEnd) {
		defer e.returned()
		ended(end)
	}
}

func (e *endings) returned() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n--; e.n == 0 && e.none != nil {
		close(e.none)
		e.none = nil
	}
}

// await waits until all have returned: for endedWithin, and longer until ctx ends or cut is
// closed.
func (e *endings) await(ctx context.Context, cut <-chan struct{}) {
	e.mu.Lock()
	if e.n == 0 {
		e.mu.Unlock()
		return
	}
	if e.none == nil {
		e.none = make(chan struct{})
	}
	none := e.none
	e.mu.Unlock()
	timer := time.NewTimer(endedWithin)
	defer timer.Stop()
	select {
	case <-none:
		return
	case <-timer.C:
	}
	select {
	case <-none:
	case <-ctx.Done():
	case <-cut:
	}
}
