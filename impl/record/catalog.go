package record

import (
	"context"
	"errors"
	"fmt"
	"sync"

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

// follow reads the catalog of a broadcast until it ends or ctx does.
func (c *catalog) follow(ctx context.Context, s api.Subscriber, path api.BroadcastPath) {
	var last error
	for next, err := range media.Catalogs(ctx, s, path) {
		if last = err; next != nil || err != nil && !errors.Is(err, api.ErrRestarted) {
			c.change(func() {
				if c.err = err; next != nil {
					c.newest, c.version = next, c.version+1
				}
			})
		}
	}
	if errors.Is(last, media.ErrCatalog) || errors.Is(last, api.ErrRestarted) {
		last = nil // after these it has ended as it should
	}
	c.change(func() {
		c.ended = true
		if last != nil {
			c.err = fmt.Errorf("record: %w", last)
		}
	})
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
