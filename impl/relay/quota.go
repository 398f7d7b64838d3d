package relay

import (
	"context"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// maxRequests is how many subscriptions and fetches a relay makes in one
// session upstream at the same time: the default of api.Limits.Requests, less
// some for short requests.
const maxRequests = 4000

// A quota shares the requests in a session upstream among the sessions
// downstream: each may have as many as are left for the others. One alone may
// have half of them, two a third each, and there is always room for another.
// The zero value is ready to use.
type quota struct {
	mu    sync.Mutex
	total int
	by    map[context.Context]int // requests, by the context of the session that asked
}

// acquire counts a request for a session (nil is the program itself) until release
// is called. It reports false if that session has too many.
func (q *quota) acquire(asker api.Session) (release func(), ok bool) {
	if asker == nil {
		return func() {}, true
	}
	// Sessions may be wrapped in types that do not compare; contexts do.
	key := asker.Context()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.by[key] >= maxRequests-q.total {
		return nil, false
	}
	if q.by == nil {
		q.by = make(map[context.Context]int)
	}
	q.total++
	q.by[key]++
	return func() { q.releaseOne(key) }, true
}

func (q *quota) releaseOne(key context.Context) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total--
	if q.by[key]--; q.by[key] == 0 {
		delete(q.by, key)
	}
}

// A slot is a request that has been counted but not made yet.
type slot struct {
	upstream *upstream
	release  func()
}

// errNoCapacity refuses a session downstream that has made too many requests.
var errNoCapacity = &api.StreamError{Code: api.StreamNoCapacity}
