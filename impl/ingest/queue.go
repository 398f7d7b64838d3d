package ingest

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

const (
	// maxHeld is how many bytes of packets are read ahead.
	maxHeld = 32 << 20

	// packetOverhead is what a packet takes besides its payload, about.
	packetOverhead = 256
)

// An arrival is a packet that was read, and when.
type arrival struct {
	media.Packet
	read  time.Time
	round int // how often the source had begun again before

	// Of the schedule: when it is to be sent, on the timeline, and how many
	// packets were added before.
	place  time.Duration
	number uint64
}

// cost is what the arrival counts towards maxHeld.
func (a *arrival) cost() int64 { return int64(len(a.Payload)) + packetOverhead }

// A rewinder is a source that can begin again.
type rewinder interface{ Rewind() error }

// A queue reads a source ahead, so that packets are taken when they come, and
// not when the one before was sent. It is bounded in bytes: then the source
// waits.
type queue struct {
	source  media.Reader
	loop    bool
	packets chan *arrival
	free    chan *arrival // to be used again, with their payloads' memory
	held    atomic.Int64
	room    chan struct{} // buffered 1: held has become less
	waited  atomic.Bool   // the source was made to wait
	err     error         // why packets was closed; io.EOF at the source's end
}

// newQueue begins to read. The goroutine ends with the source, or when ctx is
// done and ReadPacket has returned: nothing can interrupt that, so nobody waits
// for it.
func newQueue(ctx context.Context, source media.Reader, loop bool) *queue {
	q := &queue{source: source, loop: loop, packets: make(chan *arrival, 64), free: make(chan *arrival, 256), room: make(chan struct{}, 1)}
	go func() {
		defer close(q.packets)
		q.err = q.fill(ctx)
	}()
	return q
}

// fill reads packets until the source ends.
func (q *queue) fill(ctx context.Context) error {
	for round, any := 0, false; ; {
		a := q.spare()
		err := q.source.ReadPacket(&a.Packet)
		switch {
		case err == io.EOF && q.loop && any:
			if err := q.rewind(); err != nil {
				return err
			}
			round, any = round+1, false
			continue
		case err != nil:
			return err
		}
		any = true
		a.read, a.round = time.Now(), round
		if err := q.push(ctx, a); err != nil {
			return err
		}
	}
}

// rewind begins the source again.
func (q *queue) rewind() error {
	source, ok := q.source.(rewinder)
	if !ok {
		return fmt.Errorf("ingest: the source cannot begin again: %T has no method Rewind", q.source)
	}
	if err := source.Rewind(); err != nil {
		return fmt.Errorf("ingest: the source cannot begin again: %w", err)
	}
	return nil
}

// push hands a over as soon as there is room for it.
func (q *queue) push(ctx context.Context, a *arrival) error {
	for q.held.Load() > 0 && q.held.Load()+a.cost() > maxHeld {
		q.waited.Store(true)
		select {
		case <-q.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	q.held.Add(a.cost())
	select {
	case q.packets <- a:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// spare returns memory for a packet.
func (q *queue) spare() *arrival {
	select {
	case a := <-q.free:
		return a
	default:
		return new(arrival)
	}
}

// release takes back an arrival that was sent or dropped.
func (q *queue) release(a *arrival) {
	q.held.Add(-a.cost())
	select {
	case q.room <- struct{}{}:
	default:
	}
	// A few large pictures must not make all the memory that is kept large.
	if cap(a.Payload) > 256<<10 {
		a.Payload = nil
	}
	select {
	case q.free <- a:
	default:
	}
}

// ended returns the error of a source that has ended; nil if it ended well.
func (q *queue) ended() error {
	if q.err == io.EOF {
		return nil
	}
	return q.err
}
