package session

import (
	"context"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/receive"
)

// A relay fetches for its viewers. Groups that one of them does not read must not take the
// room of the others, so what is fetched for one session has one share of the budget of
// unread bytes, like one subscription.

// fetches are the fetches that a session makes for other sessions, by the contexts of
// these: a session may be of a type that is not comparable. The zero value is ready.
type fetches struct {
	mu sync.Mutex
	by map[context.Context]*fetching
}

// fetching is the holder of the groups that are fetched for one other session, which
// together have one share of the budget; or of a single group that the application
// fetches for itself.
type fetching struct {
	fetches *fetches
	key     context.Context // that of the other session; nil if there is none
	groups  int             // number of groups fetched for it; guarded by fetches.mu

	mu    sync.Mutex // guards share
	share receive.Share
}

// fetchingFor returns the holder for one more group that is fetched for another session.
// If asker is nil, it is a new one.
func (all *fetches) fetchingFor(asker api.Session, b *receive.Budget) *fetching {
	f := &fetching{fetches: all, groups: 1}
	f.share.Init(b, f, &f.mu)
	if asker == nil {
		return f
	}
	f.key = asker.Context()
	all.mu.Lock()
	defer all.mu.Unlock()
	if known := all.by[f.key]; known != nil {
		known.groups++
		return known
	}
	if all.by == nil {
		all.by = make(map[context.Context]*fetching)
	}
	all.by[f.key] = f
	return f
}

// addGroup adds a group, which the application is about to get.
func (f *fetching) addGroup(g *receive.Group, now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g.Handed()
	f.share.Add(g, now)
}

// Lose implements [receive.Holder].
func (f *fetching) Lose(*receive.Group) {}

// Finished implements [receive.Holder].
func (f *fetching) Finished() {
	f.fetches.mu.Lock()
	f.groups--
	last := f.groups == 0
	if last {
		delete(f.fetches.by, f.key)
	}
	f.fetches.mu.Unlock()
	if last {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.share.End()
	}
}

var (
	_ receive.Holder = (*fetching)(nil)
	_ receive.Holder = (*subscription)(nil)
)
