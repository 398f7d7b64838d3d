package record

import (
	"slices"
	"time"
)

// maxReorder bounds how many pictures may wait for their decoding times (H.264
// and H.265 allow 16).
const maxReorder = 16

// A reorder derives the decoding times of pictures that come in decoding order
// and tell when they are shown. Where depth pictures at most come before another
// in one order and after it in the other, the one decoded as number n may have
// the time at which number n-depth is shown, since that has come by then. The
// first ones are held until there are depth+1 of them.
type reorder struct {
	depth int
	emit  func(sample) error

	held    []sample
	shown   []time.Duration // when pictures are shown that no other has for its decoding time; sorted
	primed  bool            // shown has depth of them
	decoded time.Duration   // of the last sample
	any     bool

	latest   [maxReorder]time.Duration // when the last ones are shown
	count    int
	observed int // the depth that was seen
}

// begin forgets the times of what came before. What is held is emitted first.
func (o *reorder) begin(depth int) error {
	err := o.flush()
	o.depth, o.primed = min(max(depth, 0), maxReorder), false
	o.shown, o.count, o.observed = o.shown[:0], 0, 0
	return err
}

// rewind is begin on another clock.
func (o *reorder) rewind() error {
	err := o.begin(o.depth)
	o.any = false
	return err
}

// add takes the next sample in decoding order.
func (o *reorder) add(s sample) error {
	if s.Key && o.observed > o.depth { // the parameter set was wrong
		if err := o.begin(o.observed); err != nil {
			return err
		}
	}
	o.observe(s.PTS)
	if o.primed || o.depth == 0 {
		o.insert(s.PTS)
		s.DTS = o.shown[0]
		o.shown = slices.Delete(o.shown, 0, 1)
		return o.send(s)
	}
	o.held = append(o.held, s)
	if len(o.held) <= o.depth {
		return nil
	}
	return o.prime()
}

// observe counts how many of the last pictures are shown after this one.
func (o *reorder) observe(pts time.Duration) {
	later := 0
	for _, t := range o.latest[:min(o.count, maxReorder)] {
		if t > pts {
			later++
		}
	}
	o.observed = max(o.observed, later)
	o.latest[o.count%maxReorder] = pts
	o.count++
}

func (o *reorder) insert(pts time.Duration) {
	at, _ := slices.BinarySearch(o.shown, pts)
	o.shown = slices.Insert(o.shown, at, pts)
}

// prime emits what is held: the first depth pictures are decoded before the first
// one is shown, at the pace of what is held.
func (o *reorder) prime() error {
	for i := range o.held {
		o.insert(o.held[i].PTS)
	}
	n := len(o.held)
	first, step := o.shown[0], time.Duration(0)
	if n > 1 {
		step = (o.shown[n-1] - first) / time.Duration(n-1)
	}
	early := min(n, o.depth)
	for i := range o.held {
		s := o.held[i]
		if s.DTS = first - time.Duration(early-i)*step; i >= early {
			s.DTS = o.shown[i-early]
		}
		if err := o.send(s); err != nil {
			return err
		}
	}
	o.shown = slices.Delete(o.shown, 0, n-early)
	clear(o.held)
	o.held, o.primed = o.held[:0], true
	return nil
}

// mark notes where the content ends, on the last of what is held. It reports false
// if nothing is.
func (o *reorder) mark(ends time.Duration) bool {
	n := len(o.held)
	if n > 0 {
		o.held[n-1].ends = ends
	}
	return n > 0
}

// flush emits what is held, for nothing follows that belongs to it.
func (o *reorder) flush() error {
	if len(o.held) == 0 {
		return nil
	}
	return o.prime()
}

// send keeps decoding times in order, whatever the broadcast says.
func (o *reorder) send(s sample) error {
	if o.any && s.DTS <= o.decoded {
		s.DTS = o.decoded + time.Microsecond
	}
	o.any, o.decoded = true, s.DTS
	return o.emit(s)
}
