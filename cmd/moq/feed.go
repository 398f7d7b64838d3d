package main

import (
	"context"
	"encoding/binary"
	"math"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
)

const (
	// warmUpPause is the time between the groups that are sent until all
	// subscriptions receive.
	warmUpPause = 50 * time.Millisecond

	// stampSize is the size of the sending time in a frame's payload, in
	// bytes.
	stampSize = 8

	// overtime is how long a feed that is behind its rate continues after its
	// duration.
	overtime = time.Second

	// groupsUnderWay is how many groups may be in flight in each subscription
	// with rate 0.
	groupsUnderWay = 64

	// stall is how long nothing may arrive before the groups in flight are
	// counted as lost.
	stall = 100 * time.Millisecond
)

// A feed produces a track of a load: small groups until all subscriptions
// receive, and then the groups that are measured. The payload of each frame
// has its sending time, because not all moq-lite versions carry timestamps.
type feed struct {
	stream
	shape
	ctx   context.Context // cancelled by Ctrl-C
	epoch time.Time
	begin <-chan struct{} // closed when all subscriptions receive

	readers int64 // the number of subscriptions

	first    atomic.Uint64 // the first measured group; MaxUint64 until there is one
	frames   atomic.Int64  // measured frames that were produced
	received atomic.Int64  // measured frames that were received, over all subscriptions
	forgiven int64         // frames counted as lost
}

// A shape says what a feed produces.
type shape struct {
	rate     float64 // frames per second; 0: as many as possible
	size     int     // bytes per frame
	group    int     // frames per group
	duration time.Duration
	window   int // bytes that may be in flight in each subscription with rate 0
}

func newFeed(ctx, life context.Context, s shape, readers int, epoch time.Time, begin <-chan struct{}) *feed {
	f := &feed{shape: s, ctx: ctx, epoch: epoch, begin: begin, readers: int64(readers)}
	f.first.Store(math.MaxUint64)
	f.stream.ctx, f.produce = life, f.feed
	return f
}

func (f *feed) feed(send func(piece)) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	var seq api.GroupSequence
	for begun := false; !begun; {
		select {
		case <-pause.C:
			send(piece{group: seq, first: true, last: true, payload: f.payload(time.Now())})
			pause.Reset(warmUpPause)
			seq++
		case <-f.begin:
			begun = true
		case <-f.ctx.Done():
			return nil
		case <-f.stream.ctx.Done():
			return nil
		}
	}
	f.first.Store(uint64(seq))
	f.measured(seq, send, pause)
	return nil
}

// measured produces the measured groups, at the rate of the shape.
func (f *feed) measured(seq api.GroupSequence, send func(piece), pause *time.Timer) {
	begun := time.Now()
	for i := 0; ; i++ {
		place := i % f.group
		sent, more := f.due(begun, i, pause)
		if !more {
			if place > 0 {
				send(piece{group: seq, last: true})
			}
			return
		}
		last := place == f.group-1
		f.frames.Add(1)
		send(piece{group: seq, first: place == 0, last: last, payload: f.payload(sent)})
		if last {
			seq++
		}
	}
}

// due waits until frame i should be sent, and returns the sending time for its
// payload. If sending is behind, that is when the frame should have been sent,
// so that the delay is part of the measured latency.
func (f *feed) due(begun time.Time, i int, pause *time.Timer) (sent time.Time, more bool) {
	if f.rate == 0 {
		f.awaitRoom(pause)
		return time.Now(), time.Since(begun) < f.duration && !f.over()
	}
	after := time.Duration(float64(i) / f.rate * float64(time.Second))
	if after >= f.duration || time.Since(begun) >= f.duration+overtime || f.over() {
		return time.Time{}, false
	}
	at := begun.Add(after)
	if wait := time.Until(at); wait > 0 {
		f.wait(wait, pause)
		return time.Now(), !f.over()
	}
	return at, true
}

// awaitRoom waits until another frame may be in flight.
func (f *feed) awaitRoom(pause *time.Timer) {
	most := f.readers * int64(min(max(f.window/f.size, 1), groupsUnderWay*f.group))
	got, since := f.received.Load(), time.Now()
	for {
		underWay := f.frames.Load()*f.readers - f.received.Load() - f.forgiven
		if underWay < most || f.over() {
			return
		}
		f.wait(time.Millisecond, pause)
		if now := f.received.Load(); now != got {
			got, since = now, time.Now()
		}
		if time.Since(since) > stall {
			f.forgiven += underWay
		}
	}
}

func (f *feed) wait(d time.Duration, pause *time.Timer) {
	pause.Reset(d)
	select {
	case <-pause.C:
	case <-f.ctx.Done():
	case <-f.stream.ctx.Done():
	}
}

func (f *feed) over() bool { return f.ctx.Err() != nil || f.stream.ctx.Err() != nil }

func (f *feed) payload(sent time.Time) []byte {
	p := make([]byte, f.size)
	binary.BigEndian.PutUint64(p, uint64(sent.Sub(f.epoch)))
	return p
}

// sentAt returns the sending time in a payload.
func sentAt(epoch time.Time, payload []byte) (time.Time, bool) {
	if len(payload) < stampSize {
		return time.Time{}, false
	}
	return epoch.Add(time.Duration(binary.BigEndian.Uint64(payload))), true
}

// groups returns the number of measured groups that were produced.
func (f *feed) groups() int64 { return (f.frames.Load() + int64(f.group) - 1) / int64(f.group) }
