package ingest

import (
	"container/heap"
	"time"
)

const (
	// slackWindow is the time in which the least slack is looked for, and
	// tolerance how much of it more than the buffer is no reason to send
	// earlier.
	slackWindow = 10 * time.Second
	tolerance   = 20 * time.Millisecond

	// catchUp is the part of the time by which packets are sent faster than
	// their timestamps say, so that a source with a faster clock does not run
	// away.
	catchUp = 50 // 1/50: 2 %
)

// A schedule puts packets of all tracks into the order in which the timeline has
// them sent, and says when each is. Fragments bring a second of one track after
// a second of another, which must not be sent so.
//
// The rule: a packet is due at base plus its sending time. What arrives later
// than that moves base for all that follow. Where everything has arrived
// earlier than need be for some time, base moves back, slowly. With [Immediate],
// packets are due when they have come, and keep their order.
type schedule struct {
	pace    Pace
	base    time.Time
	buffer  time.Duration
	waiting packetHeap
	added   uint64
	last    map[int]time.Duration // by track: the place of the packet that was added last

	least   time.Duration // the least slack of the packets of this window
	window  time.Time     // when the window began
	surplus time.Duration // how far base is to move back
	moved   time.Time     // when base last moved back
}

// newSchedule returns the schedule of packets of which the first, to be sent at a
// place of the timeline, has arrived at a time.
func newSchedule(pace Pace, first time.Time, place, buffer time.Duration) *schedule {
	return &schedule{
		pace: pace, base: first.Add(buffer - place), buffer: buffer, last: make(map[int]time.Duration),
		least: maxDuration, window: first, moved: first,
	}
}

const maxDuration = time.Duration(1<<63 - 1)

// add takes a packet that is to be sent at a place of the timeline. Those of one
// track keep their order, even where their places do not ascend.
func (s *schedule) add(a *arrival, place time.Duration) {
	s.added++
	a.number = s.added
	if s.pace == Immediate {
		a.place = a.read.Sub(s.base)
		heap.Push(&s.waiting, a)
		return
	}
	last, known := s.last[a.Track]
	a.place = place
	if known {
		a.place = max(place, last)
	}
	s.last[a.Track] = a.place
	heap.Push(&s.waiting, a)
	slack := s.due(a).Sub(a.read)
	if slack < 0 {
		s.base, s.surplus, slack = s.base.Add(-slack), 0, 0
	}
	s.least = min(s.least, slack)
}

// due returns when a is to be sent.
func (s *schedule) due(a *arrival) time.Time { return s.base.Add(a.place) }

// next returns the packet that is to be sent next; nil if there is none.
func (s *schedule) next() *arrival {
	if len(s.waiting) == 0 {
		return nil
	}
	return s.waiting[0]
}

// remove takes out the packet that next has returned.
func (s *schedule) remove() { heap.Pop(&s.waiting) }

// adjust moves base back by what all packets of the last window came too early,
// unless the source was made to wait: it then is as early as there is room.
func (s *schedule) adjust(now time.Time, waited bool) {
	if s.pace == Immediate {
		return
	}
	step := min(s.surplus, now.Sub(s.moved)/catchUp)
	s.moved = now
	if step > 0 {
		s.surplus -= step
		s.base = s.base.Add(-step)
	}
	if now.Sub(s.window) < slackWindow {
		return
	}
	s.surplus = 0
	if !waited && s.least != maxDuration && s.least > s.buffer+tolerance {
		s.surplus = s.least - s.buffer - tolerance/2
	}
	s.least, s.window = maxDuration, now
}

// A packetHeap implements heap.Interface.
type packetHeap []*arrival

func (h packetHeap) Len() int { return len(h) }
func (h packetHeap) Less(i, j int) bool {
	return h[i].place < h[j].place || h[i].place == h[j].place && h[i].number < h[j].number
}
func (h packetHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *packetHeap) Push(x any)   { *h = append(*h, x.(*arrival)) }
func (h *packetHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
