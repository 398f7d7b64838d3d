package record

import (
	"context"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// A sample is a packet on its way to the reader of the recording, with times on
// the clock of its broadcast. Its payload is the queue's.
type sample struct {
	media.Packet

	// Duration is what the codec or the container says; 0: nothing.

	// rewound: the clock is not that of the sample before.
	rewound bool

	// lost says what has not come since the sample before; nil: nothing, or it
	// is not known.
	lost error

	// ends is where a marker says that the content ends, which this is the
	// last sample of; 0: there is none.
	ends time.Duration

	queued time.Time // when it was put into the queue
}

// Bounds of what a track may hold for the reader, beside one packet.
const (
	maxQueued      = 32 << 20
	sampleOverhead = 256
)

// A queue passes the samples of a track to the reader of the recording.
type queue struct {
	ready chan<- struct{} // told when something has changed

	mu      sync.Mutex
	samples []sample
	first   int // of samples that is still there
	bytes   int
	free    [][]byte      // payloads to be used again
	room    chan struct{} // told when something was taken
	ended   bool
	full    bool  // a sample waits for room
	err     error // why it has ended
	lost    error // what has not come before
}

func newQueue(ready chan<- struct{}) *queue {
	return &queue{ready: ready, room: make(chan struct{}, 1)}
}

// buffer returns an empty buffer for a payload.
func (q *queue) buffer() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.free); n > 0 {
		b := q.free[n-1]
		q.free = q.free[:n-1]
		return b[:0]
	}
	return nil
}

// put waits for room and adds s. It reports false when ctx has ended.
func (q *queue) put(ctx context.Context, s sample) bool {
	for {
		if q.tryPut(s) {
			tell(q.ready)
			return ctx.Err() == nil
		}
		tell(q.ready)
		select {
		case <-q.room:
		case <-ctx.Done():
			return false
		}
	}
}

func (q *queue) tryPut(s sample) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := len(s.Payload) + sampleOverhead
	if q.full = q.bytes > 0 && q.bytes+size > maxQueued; q.full {
		return false
	}
	s.queued = time.Now()
	q.samples = append(q.samples, s)
	q.bytes += size
	return true
}

// A look is what a queue has at a time. Payloads are left out.
type look struct {
	head, next       sample
	hasHead, hasNext bool
	full             bool // a sample waits for room
	ended            bool // nothing follows what is there
}

// look returns what there is.
func (q *queue) look() (l look) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l.full, l.ended = q.full, q.ended
	left := q.samples[q.first:]
	if l.hasHead = len(left) > 0; l.hasHead {
		l.head = left[0]
		l.head.Payload = nil
	}
	if l.hasNext = len(left) > 1; l.hasNext {
		l.next = left[1]
		l.next.Payload = nil
	}
	return l
}

// mark notes where the content ends that the last sample belongs to.
func (q *queue) mark(ends time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.samples); n > q.first {
		q.samples[n-1].ends = ends
	}
}

// take removes the first sample and appends its payload to dst.
func (q *queue) take(dst []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	payload := q.samples[q.first].Payload
	q.samples[q.first] = sample{}
	if q.first++; q.first >= 64 && 2*q.first >= len(q.samples) || q.first == len(q.samples) {
		left := copy(q.samples, q.samples[q.first:])
		clear(q.samples[left:])
		q.samples, q.first = q.samples[:left], 0
	}
	q.bytes -= len(payload) + sampleOverhead
	q.keep(payload)
	tell(q.room)
	return append(dst, payload...)
}

// How many payloads are kept to be used again, and how large they may be.
const (
	maxFree   = 8
	maxReused = 1 << 20
)

// end tells that nothing follows: because of err, if it is not the end of the
// broadcast, and that something was lost before.
func (q *queue) end(err, lost error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended, q.err, q.lost = true, err, lost
	tell(q.ready)
}

// conclusion is why the track has ended, other than with its broadcast, and what
// was lost at its end.
func (q *queue) conclusion() (err, lost error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err, q.lost
}

// giveBack takes a buffer that was not put.
func (q *queue) giveBack(b []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.keep(b)
}

// keep keeps a buffer to be used again. The lock is held.
func (q *queue) keep(b []byte) {
	if len(q.free) < maxFree && cap(b) <= maxReused {
		q.free = append(q.free, b)
	}
}

// tell puts a value into a channel of one, if there is none.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
