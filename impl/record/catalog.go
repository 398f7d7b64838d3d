package record

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// A catalog is the newest version of a broadcast's catalog, which tracks follow.
type catalog struct {
	mu      sync.Mutex
	newest  *media.Catalog // nil: none has come
	version int            // counts them
	ended   bool           // no more will come
	err     error          // why it has ended, other than with its broadcast; or what is wrong with the newest
	changed chan struct{}  // closed at the next change
}

func newCatalog() *catalog { return &catalog{changed: make(chan struct{})} }

// follow reads the catalog of a broadcast until it ends or ctx does. A broadcast
// that was published a moment before it has its catalog is asked again.
func (c *catalog) follow(ctx context.Context, s api.Subscriber, path api.BroadcastPath) {
	const askAgain = 100 * time.Millisecond
	begun := time.Now()
	err := c.read(ctx, s, path)
	for errors.Is(err, api.ErrNotFound) && c.state().version == 0 && time.Since(begun) < startWithin {
		select {
		case <-time.After(askAgain):
			err = c.read(ctx, s, path)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	c.change(func() {
		c.ended = true
		if err != nil {
			c.err = fmt.Errorf("record: %w", err)
		} else if c.newest != nil {
			c.err = nil // a version that could not be read is no matter any more
		}
	})
}

// read reads the catalog until it ends, where the error is nil.
func (c *catalog) read(ctx context.Context, s api.Subscriber, path api.BroadcastPath) (last error) {
	for next, err := range media.Catalogs(ctx, s, path) {
		switch last = nil; {
		case errors.Is(err, api.ErrRestarted):
		case errors.Is(err, media.ErrCatalog):
			c.change(func() { c.err = err })
		case err != nil:
			last = err
		default:
			c.change(func() { c.newest, c.version, c.err = next, c.version+1, nil })
		}
	}
	return last
}

func (c *catalog) change(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

// A state is what is known of the catalog at a time.
type state struct {
	newest  *media.Catalog
	version int
	ended   bool
	err     error
	changed <-chan struct{}
}

func (c *catalog) state() state {
	c.mu.Lock()
	defer c.mu.Unlock()
	return state{c.newest, c.version, c.ended, c.err, c.changed}
}
