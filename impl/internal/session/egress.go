package session

import (
	"slices"
	"sync"
	"time"
)

const (
	// slots is how many groups are written to the transport at a time. Few, so
	// that what comes up the ranking goes out next; more than one, so that a
	// group which waits for its own credit does not hold up the rest.
	slots = 6

	// stuckAfter is how long a write may take before its slot goes to another
	// group: it then waits for credit, of its stream or for one, that the
	// peer withholds; or the link is slow, and nothing is lost.
	stuckAfter = 100 * time.Millisecond
)

// egress decides which of the session's groups goes out next. Groups with
// something to send queue in order of rank (rank.go) for a slot to write in; a
// group gets its stream with its first slot, so that those which wait hold none
// of the peer's limit. There is a goroutine for each write under way.
type egress struct {
	session *Session

	mu      sync.Mutex
	stopped bool
	active  map[*groupWriter]struct{} // not yet finished
	ready   ranking                   // something to send
	writing []slot                    // those that count against slots
	lend    *time.Timer
}

// A slot is a write under way.
type slot struct {
	group *groupWriter
	since time.Time
}

func newEgress(s *Session) *egress {
	e := &egress{session: s, active: make(map[*groupWriter]struct{})}
	e.lend = time.AfterFunc(stuckAfter, e.lendSlots)
	e.lend.Stop()
	return e
}

func (e *egress) inFlight() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.active)
}

// add takes a group on the books. It reports false when the session has ended.
func (e *egress) add(g *groupWriter) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return false
	}
	e.active[g] = struct{}{}
	return true
}

// remove takes a group off the books.
func (e *egress) remove(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.active, g)
	e.ready.remove(g)
}

// stop fails all groups: the session has ended.
func (e *egress) stop() {
	e.mu.Lock()
	e.stopped = true
	e.lend.Stop()
	groups := make([]*groupWriter, 0, len(e.active))
	for g := range e.active {
		groups = append(groups, g)
	}
	e.mu.Unlock()
	for _, g := range groups {
		g.fail(e.session.err())
	}
}

// rerank gives a track another priority, which what is queued follows.
func (e *egress) rerank(l *lane, subscriber uint8) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.subscriber = subscriber
	e.ready.reconsider(l)
}

// submit queues a group that has something to send.
func (e *egress) submit(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.active[g]; !ok || e.stopped {
		return
	}
	e.ready.push(g)
	e.dispatch()
}

// dispatch starts writes while there are slots. The lock is held.
func (e *egress) dispatch() {
	for len(e.writing) < slots {
		g := e.take()
		if g == nil {
			break
		}
		if !e.session.spawn(func() { e.write(g) }) {
			return
		}
	}
	e.arm()
}

// arm has the slot of the oldest write lent in time, while others wait for
// one. The lock is held.
func (e *egress) arm() {
	if !e.ready.empty() && len(e.writing) > 0 {
		e.lend.Reset(max(0, stuckAfter-time.Since(e.writing[0].since)))
	}
}

// take gives the best group a slot; nil when none may have one. The lock is
// held.
func (e *egress) take() *groupWriter {
	g := e.ready.pop()
	if g == nil {
		return nil
	}
	e.writing = append(e.writing, slot{g, time.Now()})
	g.flow.lane.writing++
	return g
}

// write writes what a group has to send, and goes on with the next best while
// there is one.
func (e *egress) write(g *groupWriter) {
	for g != nil {
		more := g.flush()
		e.mu.Lock()
		e.wrote(g)
		if _, active := e.active[g]; more && active && !e.stopped {
			e.ready.push(g)
		}
		g = nil
		if !e.stopped && len(e.writing) < slots {
			g = e.take()
		}
		e.arm()
		e.mu.Unlock()
	}
}

// wrote gives a slot back. The lock is held.
func (e *egress) wrote(g *groupWriter) {
	lane := &g.flow.lane
	i := slices.IndexFunc(e.writing, func(s slot) bool { return s.group == g })
	if i < 0 {
		lane.stuck--
	} else {
		e.writing = slices.Delete(e.writing, i, i+1)
		lane.writing--
	}
	e.ready.reconsider(lane)
}

// lendSlots stops counting the writes that take too long.
func (e *egress) lendSlots() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return
	}
	e.writing = slices.DeleteFunc(e.writing, func(s slot) bool {
		if time.Since(s.since) < stuckAfter {
			return false
		}
		lane := &s.group.flow.lane
		lane.writing--
		lane.stuck++
		e.ready.reconsider(lane)
		return true
	})
	e.dispatch()
}
