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
	leaving    []*groupWriter // closed, and in part written; in order of that
	writing    int            // its writes that have a slot
	stuck      int            // its writes whose slot was lent

	waiting newestFirst // its groups in the ranking
	turn    uint64      // when it last gave one
	place   int         // in the ranking's order, from 1; 0 when not there
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

// behind is how far a group is behind the newest of its track. The first that
// leaves is not.
func (g *groupWriter) behind() api.GroupSequence {
	l := &g.flow.lane
	if len(l.leaving) > 0 && l.leaving[0] == g {
		return 0
	}
	return l.newest - g.seq
}

// A ranking holds groups in order: by the subscriber's priority, then the
// publisher's; tracks that are equal in these take turns; of one track, the
// newest group goes first. The zero value is empty.
type ranking struct {
	groups int
	order  order // of the tracks that have groups and are eligible
	turn   uint64
}

func (r *ranking) empty() bool { return r.groups == 0 }

func (r *ranking) push(g *groupWriter) {
	l := &g.flow.lane
	l.newest = max(l.newest, g.seq)
	if len(l.waiting) == 0 {
		l.turn = r.turn // behind those that have waited
	}
	heap.Push(&l.waiting, g)
	r.groups++
	r.reconsider(l)
}

// peek is the best group that may go, nil for none.
func (r *ranking) peek() *groupWriter {
	if len(r.order) == 0 {
		return nil
	}
	return r.order[0].waiting[0]
}

// pop takes out the group that peek shows.
func (r *ranking) pop() *groupWriter {
	l := r.order[0]
	g := heap.Pop(&l.waiting).(*groupWriter)
	r.groups--
	r.turn++
	l.turn = r.turn
	r.reconsider(l)
	return g
}

// remove takes g out, if it is in.
func (r *ranking) remove(g *groupWriter) {
	if g.place == 0 {
		return
	}
	l := &g.flow.lane
	heap.Remove(&l.waiting, g.place-1)
	r.groups--
	r.reconsider(l)
}

// fix puts g, if it is in, where it belongs among those of its track.
func (r *ranking) fix(g *groupWriter) {
	if g.place > 0 {
		heap.Fix(&g.flow.lane.waiting, g.place-1)
	}
}

// reconsider puts a track where it belongs, of which something has changed.
func (r *ranking) reconsider(l *lane) {
	in := l.place > 0
	switch should := len(l.waiting) > 0 && l.eligible(); {
	case in && should:
		heap.Fix(&r.order, l.place-1)
	case in:
		heap.Remove(&r.order, l.place-1)
	case should:
		heap.Push(&r.order, l)
	}
}

// order is a heap of tracks.
type order []*lane

func (o order) Len() int { return len(o) }
func (o order) Less(i, j int) bool {
	a, b := o[i], o[j]
	return cmp.Or(
		cmp.Compare(b.subscriber, a.subscriber),
		cmp.Compare(b.track, a.track),
		cmp.Compare(a.turn, b.turn),
	) < 0
}
func (o order) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].place, o[j].place = i+1, j+1
}
func (o *order) Push(l any) {
	*o = append(*o, l.(*lane))
	l.(*lane).place = len(*o)
}
func (o *order) Pop() any {
	last := len(*o) - 1
	l := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	l.place = 0
	return l
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
