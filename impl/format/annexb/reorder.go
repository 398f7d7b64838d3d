package annexb

import (
	"math"
	"time"

	"github.com/moqlite/moqlite/impl/internal/codec"
)

// mostHeld bounds the pictures that are held back. A decoder holds 16.
const mostHeld = 33

// A picture is an access unit that waits for its time.
type picture struct {
	data  []byte
	key   bool
	place codec.Place
	alone bool // a field whose other half may come

	shown              bool // the times are known
	pts, dts, duration time.Duration
}

// A reorderer gives pictures their times. They come in decoding order, and each
// is shown when as many others wait as the stream may reorder: so a decoder does
// it, which shows them at the rate of the stream.
type reorderer struct {
	held  []picture
	spare [][]byte
	rate  float64 // pictures a second
	depth int     // how many may wait to be shown

	base    time.Duration // when the rate began to hold
	decoded int64         // pictures since then
	turns   int64         // of them, that are shown
	waits   int           // of them, that are not
	last    time.Duration // decoding time of the last picture
	begun   bool
}

// completes reports whether the field at place is the other half of the last
// picture.
func (q *reorderer) completes(p codec.Place) bool {
	if len(q.held) == 0 || p.Field == 0 {
		return false
	}
	last := q.held[len(q.held)-1]
	return last.alone && last.place.Field+p.Field == 3 && last.place.Frame == p.Frame
}

// join adds the other field to the last picture.
func (q *reorderer) join(unit []byte) {
	last := &q.held[len(q.held)-1]
	last.data, last.alone = append(last.data, unit...), false
}

// add adds the next picture in decoding order, whose data are still to be
// appended, and returns where.
func (q *reorderer) add(place codec.Place, key bool) *picture {
	if n := len(q.held); n > 0 {
		q.held[n-1].alone = false
	}
	if place.Reset {
		q.flush()
	}
	p := picture{key: key, place: place, alone: place.Field != 0, dts: q.at(q.decoded - int64(q.depth))}
	if q.begun && p.dts <= q.last {
		p.dts = q.last + 1
	}
	q.decoded++
	q.last, q.begun = p.dts, true
	if n := len(q.spare); n > 0 {
		p.data, q.spare = q.spare[n-1][:0], q.spare[:n-1]
	}
	q.held = append(q.held, p)
	for q.waits++; q.waits > q.depth; {
		q.show(q.next())
	}
	return &q.held[len(q.held)-1]
}

// next is the first of the pictures that wait, in the order of showing.
func (q *reorderer) next() int {
	first := -1
	for i := range q.held {
		if p := &q.held[i]; !p.shown && (first < 0 || p.place.Count < q.held[first].place.Count) {
			first = i
		}
	}
	return first
}

// show gives a picture the next time of showing.
func (q *reorderer) show(i int) {
	p := &q.held[i]
	p.shown, p.pts = true, max(q.at(q.turns), p.dts)
	p.duration = q.at(q.turns+1) - q.at(q.turns)
	q.turns++
	q.waits--
}

// flush shows all that wait.
func (q *reorderer) flush() {
	for q.waits > 0 {
		q.show(q.next())
	}
}

// end shows all, since nothing more comes.
func (q *reorderer) end() {
	q.flush()
	if n := len(q.held); n > 0 {
		q.held[n-1].alone = false
	}
}

// ready reports whether the times of the first picture in decoding order are
// known.
func (q *reorderer) ready() bool {
	if len(q.held) > mostHeld && !q.held[0].shown {
		q.show(0) // a stream that breaks its own rules
	}
	return len(q.held) > 0 && q.held[0].shown && !q.held[0].alone
}

// take returns the first picture. Its data are the caller's until the next call
// of add.
func (q *reorderer) take() picture {
	p := q.held[0]
	q.held = q.held[:copy(q.held, q.held[1:])]
	q.spare = append(q.spare, p.data)
	return p
}

// at is when the turn of a picture is.
func (q *reorderer) at(turn int64) time.Duration {
	return q.base + time.Duration(math.Round(float64(turn)*float64(time.Second)/q.rate))
}

// pace sets the rate and the depth of what comes from here on.
func (q *reorderer) pace(rate float64, depth int) {
	if q.rate > 0 && (rate != q.rate || depth != q.depth) {
		q.flush()
		q.base, q.decoded, q.turns = q.at(q.turns), 0, 0
	}
	q.rate, q.depth = rate, depth
}
