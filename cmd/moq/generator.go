package main

import (
	"context"
	"encoding/binary"
	"math"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
)

// These govern how a load is sent; what is sent is in shape.
const (
	// warmUpPause is the time between the groups that are sent until all
	// subscriptions receive.
	warmUpPause = 50 * time.Millisecond

	// stampSize is the size of the sending time in a frame's payload, in
	// bytes.
	stampSize = 8

	// maxOvertime is how long a generator that is behind its rate continues
	// after its duration.
	maxOvertime = time.Second

	// maxGroupsInFlight is how many groups may be in flight in each subscription
	// with rate 0.
	maxGroupsInFlight = 64

	// stallTimeout is how long nothing may arrive before the groups in flight are
	// counted as lost.
	stallTimeout = 100 * time.Millisecond
)

// A generator produces a track of a load test: small groups until all
// subscriptions receive, and then the groups that are measured. The payload of
// each frame has its sending time, because not all moq-lite versions carry
// timestamps.
type generator struct {
	stream
	shape
	ctx   context.Context // cancelled by Ctrl-C
	epoch time.Time
	start <-chan struct{} // closed when all subscriptions receive

	readers int64 // the number of subscriptions

	firstMeasured atomic.Uint64 // the first measured group; MaxUint64 until there is one
	frames        atomic.Int64  // measured frames that were produced
	received      atomic.Int64  // measured frames that were received, over all subscriptions
	writtenOff    int64         // frames counted as lost
}

// A shape says what a generator produces.
type shape struct {
	rate     float64 // frames per second; 0: as many as possible
	size     int     // bytes per frame
	group    int     // frames per group
	duration time.Duration
	window   int // bytes that may be in flight in each subscription with rate 0
}

// newGenerator returns the generator of one track with so many subscribers. ctx
// ends the sending, and life the stream.
func newGenerator(ctx, life context.Context, s shape, readers int, epoch time.Time, begin <-chan struct{}) *generator {
	f := &generator{shape: s, ctx: ctx, epoch: epoch, start: begin, readers: int64(readers)}
	f.firstMeasured.Store(math.MaxUint64)
	f.stream.ctx, f.produce = life, f.generate
	return f
}

// generate is the producer of the stream.
func (f *generator) generate(send func(piece)) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	var seq api.GroupSequence
	for begun := false; !begun; {
		select {
		case <-pause.C:
			send(piece{group: seq, first: true, last: true, payload: f.newPayload(time.Now())})
			pause.Reset(warmUpPause)
			seq++
		case <-f.start:
			begun = true
		case <-f.ctx.Done():
			return nil
		case <-f.stream.ctx.Done():
			return nil
		}
	}
	f.firstMeasured.Store(uint64(seq))
	f.generateMeasured(seq, send, pause)
	return nil
}

// generateMeasured produces the measured groups, at the rate of the shape.
func (f *generator) generateMeasured(seq api.GroupSequence, send func(piece), pause *time.Timer) {
	begun := time.Now()
	for i := 0; ; i++ {
		place := i % f.group
		sent, more := f.awaitDue(begun, i, pause)
		if !more {
			if place > 0 {
				send(piece{group: seq, last: true})
			}
			return
		}
		last := place == f.group-1
		f.frames.Add(1)
		send(piece{group: seq, first: place == 0, last: last, payload: f.newPayload(sent)})
		if last {
			seq++
		}
	}
}

// awaitDue waits until frame i should be sent, and returns the sending time for
// its payload. If sending is behind, that is when the frame should have been
// sent, so that the delay is part of the measured latency.
func (f *generator) awaitDue(begun time.Time, i int, pause *time.Timer) (sent time.Time, more bool) {
	if f.rate == 0 {
		f.awaitRoom(pause)
		return time.Now(), time.Since(begun) < f.duration && !f.isOver()
	}
	after := time.Duration(float64(i) / f.rate * float64(time.Second))
	if after >= f.duration || time.Since(begun) >= f.duration+maxOvertime || f.isOver() {
		return time.Time{}, false
	}
	at := begun.Add(after)
	if wait := time.Until(at); wait > 0 {
		f.sleep(wait, pause)
		return time.Now(), !f.isOver()
	}
	return at, true
}

// awaitRoom waits until another frame may be in flight.
func (f *generator) awaitRoom(pause *time.Timer) {
	// The bound is on all subscriptions together: one that falls behind takes
	// from the others' share, and latency shows it.
	most := f.readers * int64(min(max(f.window/f.size, 1), maxGroupsInFlight*f.group))
	got, since := f.received.Load(), time.Now()
	for {
		underWay := f.frames.Load()*f.readers - f.received.Load() - f.writtenOff
		if underWay < most || f.isOver() {
			return
		}
		f.sleep(time.Millisecond, pause)
		if now := f.received.Load(); now != got {
			got, since = now, time.Now()
		}
		// Else a lost group would take from the window for ever.
		if time.Since(since) > stallTimeout {
			f.writtenOff += underWay
		}
	}
}

// sleep waits for d, or until the test ends.
func (f *generator) sleep(d time.Duration, pause *time.Timer) {
	pause.Reset(d)
	select {
	case <-pause.C:
	case <-f.ctx.Done():
	case <-f.stream.ctx.Done():
	}
}

// isOver tells whether nothing more is to be sent: on Ctrl-C, or at the end of
// the test.
func (f *generator) isOver() bool { return f.ctx.Err() != nil || f.stream.ctx.Err() != nil }

// newPayload returns the payload of a frame sent at a time. It is new memory,
// since subscribers write it at times of their own.
func (f *generator) newPayload(sent time.Time) []byte {
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
func (f *generator) groups() int64 { return (f.frames.Load() + int64(f.group) - 1) / int64(f.group) }
