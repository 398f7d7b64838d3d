package send

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/impl/internal/message"
)

const (
	// slots is how many slots may be held at a time. It is small, so that a group
	// of high rank is sent soon, and above one, so that a group whose own stream
	// lacks credit does not block the others.
	slots = 6

	// maxPreempted is how many preempted writes may be under way besides. A group
	// may preempt beyond this limit while no group of its lane holds a slot.
	maxPreempted = slots

	// stuckAfter is how long a write may wait for the transport before its slot
	// goes to another group. By then the peer withholds credit, for the stream or
	// for opening it; or the link is slow, and nothing is lost by one more write.
	stuckAfter = 100 * time.Millisecond

	// plainChunk is the largest write where the transport cannot prioritize
	// streams. A group of higher rank waits for no more than that.
	plainChunk = 16 << 10

	// rankedChunk is the largest write elsewhere: enough for all that a group may
	// have pending, or for a shared frame, headers included.
	rankedChunk = 68 << 10
)

// farAhead is the length of the queue from which a writer that enqueues another
// group waits until the queue was served, unless the queue waits for the transport.
const farAhead = 64

// A Queue decides in which order the session's groups are sent. Groups that have
// pending bytes queue in order of rank (rank.go) for a slot, which allows one write.
// A group's stream is opened in its first slot, so queued groups use up none of the
// streams that the peer allows. Among the writes under way the transport follows the
// urgencies that it is given (urgency.go).
//
// At most one goroutine serves the queue, and only while the queue is not empty.
// When a write makes it wait for the transport, another goroutine takes over. If
// the queue is empty and no write is under way, the writer may write to the
// transport itself (direct.go, share.go).
type Queue struct {
	host    Host
	version *message.Version
	began   time.Time
	first   int8        // the first urgency that groups may have (urgency.go)
	usual   int8        // the urgency of groups while none has to go before others
	plain   atomic.Bool // the transport cannot prioritize streams

	mu        sync.Mutex
	stopped   bool          // the session has ended
	groups    *Group        // all groups that are not over, a list
	count     int           // its length
	ready     ranking       // the queue: groups that have pending bytes
	serving   bool          // a goroutine serves the queue or runs writeHere, and does not block
	caughtUp  *sync.Cond    // signals that serving was cleared; lazily made
	servedAt  time.Duration // when serving last ended, or the last direct write began
	direct    uint          // number of writes by writers themselves (direct.go)
	writing   []*slot       // the writes under way, in order of rank
	reserved  *slot         // the one of these in which a writer writes a shared frame (share.go)
	held      int           // how many of these hold their slot
	preempted int           // how many of these were preempted
	idle      []*slot       // for reuse
	lend      *time.Timer   // calls lendSlots; lazily made
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

// A slot is one write under way.
type slot struct {
	group *Group
	state slotState
	waits bool          // the write waits for the transport
	since time.Duration // when that began, by the queue's clock
	out   delivery

	hurried bool // a write deadline was set to interrupt the writer (share.go)
}

// A slotState tells whether a write counts against the slots.
type slotState uint8

const (
	slotHeld      slotState = iota // it counts
	slotStuck                      // it does not: it has waited for stuckAfter
	slotPreempted                  // it does not: a group of higher rank took the slot
)

// add registers a group. It reports false when the session has ended.
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

// remove removes a group that is over, from the queue too.
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
	q.left(g)
	if q.count == 0 {
		q.host.NoGroups()
	}
}

// Stop fails all groups with err, because the session has ended. Later groups are refused.
func (q *Queue) Stop(err error) {
	q.mu.Lock()
	q.stopped = true
	if q.lend != nil {
		q.lend.Stop()
	}
	q.servesNot()
	groups := make([]*Group, 0, q.count)
	for g := q.groups; g != nil; g = g.older {
		groups = append(groups, g)
	}
	q.mu.Unlock()
	for _, g := range groups {
		g.fail(err)
	}
}

// rerank changes the subscriber's priority of a lane. Groups in the queue and
// writes under way follow.
func (q *Queue) rerank(l *Lane, subscriber uint8) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.subscriber == subscriber {
		return
	}
	l.subscriber = subscriber
	q.ready.reconsider(l)
	q.tellUrgencies()
	q.dispatch()
}

// chunk is the largest write to the transport, in bytes.
func (q *Queue) chunk() int {
	if q.plain.Load() {
		return plainChunk
	}
	return rankedChunk
}

// closed is called when the writer has closed a group that has its stream.
func (q *Queue) closed(g *Group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if g.active && g.part {
		q.leaves(g)
	}
}

// leaves adds a group that is closed and partly written to the leaving groups of
// its lane. Little is left of it: its pending bytes and the write under way. The
// first leaving group of a lane ranks as high as the newest one. Otherwise, on a
// link that is too slow, each group would be overtaken just before its end, and
// readers would get many beginnings and no ends. The lock is held.
func (q *Queue) leaves(g *Group) {
	l := g.lane
	if slices.Contains(l.leaving, g) {
		return
	}
	l.leaving = append(l.leaving, g)
	if l.leaving[0] == g {
		q.promoted(g)
	}
}

// left removes a group that is over from the leaving groups of its lane, and
// promotes the next of them if it was the first. The lock is held.
func (q *Queue) left(g *Group) {
	l := g.lane
	i := slices.Index(l.leaving, g)
	if i < 0 {
		return
	}
	l.leaving = slices.Delete(l.leaving, i, i+1)
	if i == 0 && len(l.leaving) > 0 {
		q.promoted(l.leaving[0])
	}
}

// promoted updates the queue and the urgencies after a group's rank has risen. The
// lock is held.
func (q *Queue) promoted(g *Group) {
	q.ready.fix(g)
	if len(q.writing) > 1 {
		q.tellUrgencies()
	}
}

// keepPace blocks a writer that has enqueued a group while farAhead groups or more
// are queued, until the queue was served or its goroutine waits for the transport.
// The lock is held, and released during the wait.
func (q *Queue) keepPace() {
	if !q.serving || q.ready.groups < farAhead {
		return
	}
	if q.caughtUp == nil {
		q.caughtUp = sync.NewCond(&q.mu)
	}
	for q.serving && !q.stopped {
		q.caughtUp.Wait()
	}
}

// servesNot clears serving: the queue is empty, no group in it may have a slot, or
// the goroutine that served has to wait for the transport. The lock is held.
func (q *Queue) servesNot() {
	q.serving = false
	if q.caughtUp != nil {
		q.caughtUp.Broadcast()
	}
}

// giveSlot gives a group a slot, without counting it (see occupy). The lock is held.
func (q *Queue) giveSlot(g *Group) *slot {
	var s *slot
	if n := len(q.idle); n > 0 {
		s, q.idle = q.idle[n-1], q.idle[:n-1]
	} else {
		s = new(slot)
	}
	s.group, g.slot = g, s
	return s
}

// takeSlot takes a slot back after its write. Its group may have got another one
// since. The lock is held.
func (q *Queue) takeSlot(s *slot) {
	if s.group.slot == s {
		s.group.slot = nil
	}
	*s = slot{}
	if len(q.idle) < slots {
		q.idle = append(q.idle, s)
	}
}

// dispatch starts a goroutine that serves the queue, if there is none, the queue is
// not empty, and its first group may have a slot. The lock is held.
func (q *Queue) dispatch() {
	if q.ready.empty() {
		return
	}
	q.hurry()
	if q.serving {
		return
	}
	if g := q.take(); g != nil {
		q.serving = q.host.Spawn(func() { q.serve(g) })
	}
	q.arm()
}

// serve writes the pending bytes of g, then those of the groups in the queue, best
// rank first, until the queue is empty or another goroutine serves it.
func (q *Queue) serve(g *Group) {
	for g != nil {
		if !g.tryFlush(q.chunk()) {
			q.waits(g)
			g.flush()
		}
		g = q.next(g)
	}
}

// serveWaiting is serve for a group whose tryFlush returned false already.
func (q *Queue) serveWaiting(g *Group) {
	q.waits(g)
	g.flush()
	q.serve(q.next(g))
}

// waits is called before this goroutine waits for the transport with g. It lets
// another goroutine serve the queue.
func (q *Queue) waits(g *Group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	g.slot.waits, g.slot.since = true, q.clock()
	q.servesNot()
	q.dispatch()
}

// next ends the write of g, and the group if it is closed and nothing is pending.
// It returns the group that this goroutine has to write next, nil for none.
func (q *Queue) next(g *Group) *Group {
	s := g.slot // once settled, the group may be queued again and get another slot
	more, closed := g.settle()
	next, waited := q.pass(s, more, closed)
	if closed && !more {
		g.end(waited)
	}
	return next
}

// wrotePart notes that a part of a group is written. If more is pending it queues
// the group again. The lock is held.
func (q *Queue) wrotePart(g *Group, more, closed bool) {
	g.part = true
	if !more {
		return
	}
	q.ready.push(g)
	if closed {
		q.leaves(g)
	}
}

// pass frees a slot and returns the group that this goroutine has to write next,
// nil for none. more and closed are what settle returned. waited tells whether the
// write had to wait for the transport.
func (q *Queue) pass(s *slot, more, closed bool) (next *Group, waited bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := s.group
	waited = s.waits
	q.wrote(s)
	if g.active && !q.stopped {
		q.wrotePart(g, more, closed)
	}
	if waited && q.serving {
		return nil, waited
	}
	if !q.stopped {
		next = q.take()
	}
	if next != nil {
		q.serving = true
	} else {
		q.servedAt = q.clock()
		q.servesNot()
	}
	q.arm()
	return next, waited
}

// arm sets the timer for lendSlots to when the first of the waiting writes will
// have waited for stuckAfter, if groups are queued. The lock is held.
func (q *Queue) arm() {
	if q.ready.empty() || q.held == 0 {
		return
	}
	var oldest *slot
	for _, s := range q.writing {
		if s.state == slotHeld && s.waits && (oldest == nil || s.since < oldest.since) {
			oldest = s
		}
	}
	if oldest == nil {
		return
	}
	in := max(0, stuckAfter-(q.clock()-oldest.since))
	if q.lend == nil {
		q.lend = time.AfterFunc(in, q.lendSlots)
	} else {
		q.lend.Reset(in)
	}
}

// take removes the group of the best rank from the queue and gives it a slot. It
// returns nil when there is none or it may not have a slot. The lock is held.
func (q *Queue) take() *Group {
	g := q.ready.peek()
	if g == nil || !q.vacate(g) {
		return nil
	}
	g = q.ready.pop() // vacate may have changed which group is first
	q.occupy(q.giveSlot(g))
	return g
}

// occupy counts a slot as held by its group. The lock is held.
func (q *Queue) occupy(s *slot) {
	q.writing = append(q.writing, s)
	q.held++
	l := s.group.lane
	l.newest = max(l.newest, s.group.seq)
	l.writing++
	q.tellUrgencies()
}

// vacate reports whether g may have a slot. If none is free it preempts the write
// of the lowest rank, provided that g ranks higher. The lock is held.
func (q *Queue) vacate(g *Group) bool {
	most := slots
	if q.plain.Load() {
		most = 1
	}
	if q.held < most {
		return true
	}
	if q.plain.Load() || q.preempted >= maxPreempted && g.lane.writing > 0 {
		return false
	}
	var last *slot
	for _, s := range q.writing {
		if s.state == slotHeld && (last == nil || compareRank(s.group, last.group) > 0) {
			last = s
		}
	}
	if compareRank(g, last.group) >= 0 {
		return false
	}
	q.release(last, slotPreempted)
	return true
}

// release frees the slot of a write that goes on without it. The lock is held.
func (q *Queue) release(s *slot, why slotState) {
	s.state = why
	q.held--
	l := s.group.lane
	l.writing--
	if why == slotPreempted {
		q.preempted++
	} else {
		l.stuck++
	}
	q.ready.reconsider(l)
}

// wrote removes a write that has ended. The lock is held.
func (q *Queue) wrote(s *slot) {
	q.waitsNot(s)
	i := slices.Index(q.writing, s)
	l := s.group.lane
	switch s.state {
	case slotHeld:
		q.held--
		l.writing--
	case slotStuck:
		l.stuck--
	case slotPreempted:
		q.preempted--
	}
	q.writing = slices.Delete(q.writing, i, i+1)
	q.takeSlot(s)
	q.ready.reconsider(l)
	if len(q.writing) >= lastUrgency {
		q.tellUrgencies() // some may have had restUrgency
	}
}

// lendSlots frees the slots of the writes that have waited for stuckAfter, and
// serves the queue with them.
func (q *Queue) lendSlots() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return
	}
	for _, s := range q.writing {
		if s.state == slotHeld && s.waits && q.clock()-s.since >= stuckAfter {
			q.release(s, slotStuck)
		}
	}
	q.dispatch()
}
