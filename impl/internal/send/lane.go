package send

import (
	"slices"

	"github.com/moqlite/moqlite/api"
)

// A Lane is the sending side's state of one subscription or fetch that is served: the
// place of its groups in the order of sending, and what they may gather.
type Lane struct {
	queue *Queue

	// Guarded by Queue.mu.
	subscriber uint8             // the subscriber's priority
	track      uint8             // the publisher's priority
	newest     api.GroupSequence // the highest number that was queued or written
	leaving    []*Group          // closed and partly written, the longest in this state first
	writing    int               // number of its writes that hold a slot
	stuck      int               // number of its writes in state slotStuck
	ahead      bool              // it is in Queue.ahead

	waiting newestFirst // its groups in the ranking
	turn    uint64      // the value of ranking.turn when pop last took a group of it, or waiting began
	place   int         // index+1 in ranking.order; 0 when it is not in there

	// Writers on all processors change its counters. They stand last, so as not to
	// share a cache line with queue, which every frame reads.
	admission admission
}

// Init prepares a lane, with the priorities of its subscriber and of its publisher.
func (l *Lane) Init(q *Queue, subscriber, track uint8) {
	l.queue, l.subscriber, l.track = q, subscriber, track
	l.admission.init()
}

// SetPriority changes the subscriber's priority. Groups in the queue and writes under
// way follow.
func (l *Lane) SetPriority(subscriber uint8) { l.queue.rerank(l, subscriber) }

// addLeaving adds a group that is closed and partly written to the leaving groups of its
// lane. Little is left of it: its pending bytes and the write under way. The first
// leaving group of a lane ranks as high as the newest one. Otherwise, on a link that is
// too slow, each group would be overtaken just before its end, and readers would get
// many beginnings and no ends. The lock is held.
func (q *Queue) addLeaving(g *Group) {
	l := g.lane
	if slices.Contains(l.leaving, g) {
		return
	}
	l.leaving = append(l.leaving, g)
	if l.leaving[0] == g {
		q.promoted(g)
	}
}

// removeLeaving removes a group that is over from the leaving groups of its lane, and
// promotes the next of them if it was the first. The lock is held.
func (q *Queue) removeLeaving(g *Group) {
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

// promoted restores the order of the queue, and the urgencies of the writes, after a
// group's rank has risen. The lock
// is held.
func (q *Queue) promoted(g *Group) {
	q.ready.fix(g)
	if len(q.writing) > 1 {
		q.updateUrgencies()
	}
}

// wrotePart notes that a part of a group is written. If more is pending, the group is
// queued again. Its writer may have submitted more, or closed it, since that was found
// out: until now neither has made it a leaving group. The lock is held.
func (q *Queue) wrotePart(g *Group, more bool) {
	g.part = true
	if more {
		q.ready.push(g)
	}
	if g.place > 0 && !g.IsOpen() {
		q.addLeaving(g)
	}
}
