package send

import (
	"cmp"
	"container/heap"

	"github.com/moqlite/moqlite/api"
)

// eligible reports whether another group of the lane may have a slot. While one of its
// writes is stuck, its subscriber probably does not read, and the lane may hold only one
// slot at a time.
func (l *Lane) eligible() bool { return l.stuck == 0 || l.writing == 0 }

// compareRank returns a number below 0 when a is sent before b, and 0 when they take
// turns. It compares the subscriber's priority, then the publisher's, then how far each
// is behind the newest group of its lane (moq-lite-06, SUBSCRIBE and TRACK_INFO:
// priority).
func compareRank(a, b *Group) int {
	x, y := a.lane, b.lane
	return cmp.Or(
		cmp.Compare(y.subscriber, x.subscriber),
		cmp.Compare(y.track, x.track),
		cmp.Compare(a.behind(), b.behind()),
	)
}

// behind is how many numbers a group is behind the newest of its lane. It is 0 for the
// first of the leaving groups.
func (g *Group) behind() api.GroupSequence {
	l := g.lane
	if len(l.leaving) > 0 && l.leaving[0] == g {
		return 0
	}
	return l.newest - g.seq
}

// A ranking holds the queued groups by rank: lanes of a higher subscriber's priority come
// first, then those of a higher publisher's; lanes that are equal in both take turns;
// within a lane, the newest group comes first. The zero value is empty.
type ranking struct {
	groups int    // number of groups
	order  order  // the lanes that have groups and are eligible
	turn   uint64 // counts the groups taken out by pop
}

func (r *ranking) empty() bool { return r.groups == 0 }

func (r *ranking) push(g *Group) {
	l := g.lane
	l.newest = max(l.newest, g.seq)
	if len(l.waiting) == 0 {
		l.turn = r.turn // its turn comes after those of the lanes that have waited longer
	}
	heap.Push(&l.waiting, g)
	r.groups++
	r.reconsider(l)
}

// peek returns the group of the best rank whose lane is eligible, nil for none.
func (r *ranking) peek() *Group {
	if len(r.order) == 0 {
		return nil
	}
	return r.order[0].waiting[0]
}

// pop removes and returns the group that peek returns.
func (r *ranking) pop() *Group {
	l := r.order[0]
	g := heap.Pop(&l.waiting).(*Group)
	r.groups--
	r.turn++
	l.turn = r.turn
	r.reconsider(l)
	return g
}

// remove removes g, if it is queued.
func (r *ranking) remove(g *Group) {
	if g.place == 0 {
		return
	}
	l := g.lane
	heap.Remove(&l.waiting, g.place-1)
	r.groups--
	r.reconsider(l)
}

// fix restores the order of the lane after g's rank has changed, if g is queued.
func (r *ranking) fix(g *Group) {
	if g.place > 0 {
		heap.Fix(&g.lane.waiting, g.place-1)
	}
}

// reconsider adds a lane to the order, moves or removes it, after its groups, its
// priorities, its turn or what makes it eligible have changed.
func (r *ranking) reconsider(l *Lane) {
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

// order is a heap of lanes, the one that gives the next group first.
type order []*Lane

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
	*o = append(*o, l.(*Lane))
	l.(*Lane).place = len(*o)
}
func (o *order) Pop() any {
	last := len(*o) - 1
	l := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	l.place = 0
	return l
}

// newestFirst is a heap of the queued groups of one lane.
type newestFirst []*Group

func (q newestFirst) Len() int { return len(q) }
func (q newestFirst) Less(i, j int) bool {
	// Of two that are not behind, the older one is the leaving group.
	return cmp.Or(cmp.Compare(q[i].behind(), q[j].behind()), cmp.Compare(q[i].seq, q[j].seq)) < 0
}
func (q newestFirst) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i+1, j+1
}
func (q *newestFirst) Push(g any) {
	*q = append(*q, g.(*Group))
	g.(*Group).place = len(*q)
}
func (q *newestFirst) Pop() any {
	last := len(*q) - 1
	g := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	g.place = 0
	return g
}
