package send

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/impl/internal/message"
)

// A Queue decides in which order the session's groups are sent. Groups that have
// pending bytes queue in order of rank (rank.go) for a slot, which allows one write
// (slots.go). A group's stream is opened in its first slot, so queued groups use up none
// of the streams that the peer allows. Among the writes under way the transport follows
// the urgencies that it is given (urgency.go).
//
// At most one goroutine serves the queue: it takes the best group, carries out its write,
// and goes on with the next until the queue is empty. When a write makes it wait for the
// transport, another goroutine takes over. If the queue is empty and no write is under
// way, a writer may write to the transport itself (submit.go).
type Queue struct {
	host    Host
	version *message.Version
	began   time.Time
	first   int8        // the first urgency that groups may have
	usual   int8        // the urgency of groups while none has to go before others
	plain   atomic.Bool // it is known that the transport cannot prioritize streams

	mu            sync.Mutex
	stopped       bool          // the session has ended
	groups        *Group        // list of the groups that were opened and are not over, newest first
	count         int           // its length
	ready         ranking       // the queue: groups that have pending bytes
	serving       bool          // a goroutine serves the queue, or writes directly, and does not block
	ahead         []*Lane       // lanes whose writers slowDown holds
	servedAt      time.Duration // when serving last ended, or the last direct write began
	direct        uint          // number of direct writes so far
	writing       []*slot       // the writes under way, in order of rank
	interruptible *slot         // the one of these in which a writer passes on a shared frame; nil for none
	held          int           // how many of these hold their slot
	preempted     int           // how many of these were preempted
	idle          []*slot       // slots of earlier writes, for reuse
	lend          *time.Timer   // calls lendSlots; lazily made
}

// NewQueue returns the queue of a session that speaks the given version. ranked tells
// whether the transport can prioritize control streams.
func NewQueue(h Host, v *message.Version, ranked bool) *Queue {
	q := &Queue{host: h, version: v, began: time.Now()}
	q.first, q.usual = groupUrgencies(ranked)
	return q
}

// clock is the time since the queue was made. It costs half of what time.Now does, and
// is called several times for each group.
func (q *Queue) clock() time.Duration { return time.Since(q.began) }

// Len returns the number of groups that are not over.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count
}

// add adds a group to the list of those that are not over. It reports false when the
// session has ended.
func (q *Queue) add(g *Group) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return false
	}
	g.active, g.older = true, q.groups
	if q.groups != nil {
		q.groups.newer = g
	}
	q.groups = g
	q.count++
	return true
}

// remove removes a group that is over from the list, and from the ready groups.
func (q *Queue) remove(g *Group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !g.active {
		return
	}
	g.active = false
	if g.newer != nil {
		g.newer.older = g.older
	} else {
		q.groups = g.older
	}
	if g.older != nil {
		g.older.newer = g.newer
	}
	g.newer, g.older = nil, nil
	q.count--
	q.ready.remove(g)
	q.removeLeaving(g)
	if q.count == 0 {
		q.host.NoGroups()
	}
}

// Stop fails all groups with err, because the session has ended. Later groups are
// refused.
func (q *Queue) Stop(err error) {
	q.mu.Lock()
	q.stopped = true
	if q.lend != nil {
		q.lend.Stop()
	}
	q.stopServing()
	groups := make([]*Group, 0, q.count)
	for g := q.groups; g != nil; g = g.older {
		groups = append(groups, g)
	}
	q.mu.Unlock()
	for _, g := range groups {
		g.fail(err)
	}
}

// rerank changes the subscriber's priority of a lane.
func (q *Queue) rerank(l *Lane, subscriber uint8) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.subscriber == subscriber {
		return
	}
	l.subscriber = subscriber
	q.ready.reconsider(l)
	q.updateUrgencies()
	q.dispatch()
}
