package send

import "github.com/moqlite/moqlite/api"

// A Lane is the sending side's state of one subscription or fetch that is served: the
// place of its groups in the order of sending, and its backlog.
type Lane struct {
	queue   *Queue
	backlog backlog

	// Guarded by Queue.mu.
	subscriber uint8             // the subscriber's priority
	track      uint8             // the publisher's priority
	newest     api.GroupSequence // the highest number that was queued or written
	leaving    []*Group          // closed and partly written, the longest in this state first
	writing    int               // its writes that hold a slot
	stuck      int               // its writes in state slotStuck

	waiting newestFirst // its groups in the ranking
	turn    uint64      // the value of ranking.turn when it last gave a group
	place   int         // index+1 in ranking.order; 0 when it is not in there
}

// Init prepares a lane, with the priorities of its subscriber and of its publisher.
func (l *Lane) Init(q *Queue, subscriber, track uint8) {
	l.queue, l.subscriber, l.track = q, subscriber, track
	l.backlog.init()
}

// SetPriority changes the subscriber's priority. Groups in the queue and writes under
// way follow.
func (l *Lane) SetPriority(subscriber uint8) { l.queue.rerank(l, subscriber) }
