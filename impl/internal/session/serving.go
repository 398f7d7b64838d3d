package session

import (
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/send"
	"github.com/moqlite/moqlite/transport"
)

// serving is what is served to the peer: its subscriptions, and the groups that are being
// written for these and for fetches. The zero value is ready.
type serving struct {
	mu sync.Mutex

	// A publication is in pubs from when its subscription was accepted until the
	// subscriber has ended its half of the stream.
	pubs   map[uint64]*publication // by the peer's id
	broken int                     // number of those that were open when the connection was lost
	queue  *send.Queue             // lazily made
}

// register adds a publication, unless there is one with its id, or as many as there may
// be.
//
// The subscriber chooses the ids, and groups and datagrams name them: two of its
// subscriptions with one id could not be told apart.
func (v *serving) register(p *publication, most int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, taken := v.pubs[p.id]; taken {
		return &api.StreamError{Code: api.StreamCancelled}
	}
	if len(v.pubs) >= most {
		return errTooManySubscriptions
	}
	if v.pubs == nil {
		v.pubs = make(map[uint64]*publication)
	}
	v.pubs[p.id] = p
	return nil
}

// errTooManySubscriptions refuses one above Limits.SubscriptionsPerSession.
var errTooManySubscriptions = &api.StreamError{Code: api.StreamNoCapacity}

// room returns an error if there are as many publications as there may be. It spares the
// application questions; register decides.
func (v *serving) room(most int) error {
	if pubs, _ := v.count(); pubs >= most {
		return errTooManySubscriptions
	}
	return nil
}

// unregister removes a publication that has ended. broken tells that it has ended with the
// connection.
func (v *serving) unregister(p *publication, broken bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.pubs, p.id)
	if broken {
		v.broken++
	}
}

// count returns how many publications there are, and how many were open when the
// connection was lost.
func (v *serving) count() (pubs, broken int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.pubs), v.broken
}

// queueFor returns the session's queue of groups, and makes it at the first call. Whether
// st can be prioritized decides on the urgencies of groups.
func (v *serving) queueFor(s *Session, st *control.Stream) *send.Queue {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.queue == nil {
		_, ranked := transport.As[transport.Prioritizer](st.Stream)
		v.queue = send.NewQueue((*host)(s), s.version, ranked)
		if s.life.isOver() {
			v.queue.Stop(s.life.err())
		}
	}
	return v.queue
}

// groups returns the number of groups being written.
func (v *serving) groups() int {
	v.mu.Lock()
	q := v.queue
	v.mu.Unlock()
	if q == nil {
		return 0
	}
	return q.Len()
}

// stop fails the groups with err, because the session has ended. A queue that is made
// later finds that out by itself.
func (v *serving) stop(err error) {
	v.mu.Lock()
	q := v.queue
	v.mu.Unlock()
	if q != nil {
		q.Stop(err)
	}
}
