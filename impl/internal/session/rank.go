package session

import (
	"cmp"
	"container/heap"

	"github.com/moqlite/moqlite/api"
)

// A lane is a track's place in the rankings of its session. It is guarded by
// egress.mu.
type lane struct {
	subscriber uint8 // the subscriber's priority
	track      uint8 // the publisher's
	newest     api.GroupSequence
	leaving    *groupWriter // closed, and in part written
	writing    int          // its writes that have a slot
	stuck      int          // its writes whose slot was lent
}

// eligible tells whether another group of the track may have a slot: a track
// whose reader lets it wait tries one group at a time.
func (l *lane) eligible() bool { return l.stuck == 0 || l.writing == 0 }

// compareRank is below 0 when a goes out before b, and 0 when they take turns:
// by the subscriber's priority, then the publisher's, then by how far behind the
// newest of its track each is.
func compareRank(a, b *groupWriter) int {
	x, y := &a.flow.lane, &b.flow.lane
	return cmp.Or(
		cmp.Compare(y.subscriber, x.subscriber),
		cmp.Compare(y.track, x.track),
		cmp.Compare(a.behind(), b.behind()),
	)
}

// behind is how far a group is behind the newest of its track.
func (g *groupWriter) behind() api.GroupSequence {
	if g.flow.lane.leaving == g {
		return 0
	}
	return g.flow.lane.newest - g.seq
}

// A ranking holds groups in order: by the subscriber's priority, then the
// publisher's; tracks that are equal in these take turns; of one track, the
// newest group goes first. The zero value is empty.
type ranking struct {
	lanes map[*lane]*queue
	order order // of the lanes that have groups and are eligible
	turn  uint64
}

// A queue is the groups of one track in a ranking.
type queue struct {
	lane   *lane
	groups newestFirst
	turn   uint64 // when it last gave a group
	index  int    // in order; -1 when not there
}

func (r *ranking) empty() bool { return len(r.lanes) == 0 }

func (r *ranking) push(g *groupWriter) {
	l := &g.flow.lane
	l.newest = max(l.newest, g.seq)
	q := r.lanes[l]
	if q == nil {
		if r.lanes == nil {
			r.lanes = make(map[*lane]*queue)
		}
		q = &queue{lane: l, index: -1, turn: r.turn}
		r.lanes[l] = q
	}
	heap.Push(&q.groups, g)
	r.place(q)
}

// peek is the best group that may go, nil for none.
func (r *ranking) peek() *groupWriter {
	if len(r.order) == 0 {
		return nil
	}
	return r.order[0].groups[0]
}

// pop takes out the group that peek shows.
func (r *ranking) pop() *groupWriter {
	q := r.order[0]
	g := heap.Pop(&q.groups).(*groupWriter)
	r.turn++
	q.turn = r.turn
	r.place(q)
	return g
}

// remove takes g out, if it is in.
func (r *ranking) remove(g *groupWriter) {
	if g.place == 0 {
		return
	}
	q := r.lanes[&g.flow.lane]
	heap.Remove(&q.groups, g.place-1)
	r.place(q)
}

// fix puts g, if it is in, where it belongs among those of its track.
func (r *ranking) fix(g *groupWriter) {
	if g.place > 0 {
		heap.Fix(&r.lanes[&g.flow.lane].groups, g.place-1)
	}
}

// reconsider places a track anew, whose eligibility may have changed.
func (r *ranking) reconsider(l *lane) {
	if q := r.lanes[l]; q != nil {
		r.place(q)
	}
}

// place puts a track where it belongs.
func (r *ranking) place(q *queue) {
	in := q.index >= 0
	switch should := len(q.groups) > 0 && q.lane.eligible(); {
	case in && should:
		heap.Fix(&r.order, q.index)
	case in:
		heap.Remove(&r.order, q.index)
	case should:
		heap.Push(&r.order, q)
	}
	if len(q.groups) == 0 {
		delete(r.lanes, q.lane)
	}
}

// order is a heap of tracks.
type order []*queue

func (o order) Len() int { return len(o) }
func (o order) Less(i, j int) bool {
	a, b := o[i], o[j]
	return cmp.Or(
		cmp.Compare(b.lane.subscriber, a.lane.subscriber),
		cmp.Compare(b.lane.track, a.lane.track),
		cmp.Compare(a.turn, b.turn),
	) < 0
}
func (o order) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].index, o[j].index = i, j
}
func (o *order) Push(q any) {
	q.(*queue).index = len(*o)
	*o = append(*o, q.(*queue))
}
func (o *order) Pop() any {
	last := len(*o) - 1
	q := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	q.index = -1
	return q
}

// newestFirst is a heap of the groups of one track.
type newestFirst []*groupWriter

func (q newestFirst) Len() int { return len(q) }
func (q newestFirst) Less(i, j int) bool {
	// The one that leaves is the older of two that are not behind.
	return cmp.Or(cmp.Compare(q[i].behind(), q[j].behind()), cmp.Compare(q[i].seq, q[j].seq)) < 0
}
func (q newestFirst) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i+1, j+1
}
func (q *newestFirst) Push(g any) {
	*q = append(*q, g.(*groupWriter))
	g.(*groupWriter).place = len(*q)
}
func (q *newestFirst) Pop() any {
	last := len(*q) - 1
	g := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	g.place = 0
	return g
}
