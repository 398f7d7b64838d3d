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

	// stampSize is what a frame's sending time takes in its payload.
	stampSize = 8

	// overtime is how long a feed that has fallen behind goes on.
	overtime = time.Second

	// groupsUnderWay is how many groups may be under way in each subscription,
	// with rate 0.
	groupsUnderWay = 64

	// stall is how long nothing may come until what is under way is taken for
	// lost.
	stall = 100 * time.Millisecond
)

// A feed produces the track that load is made of: small groups until all
// subscriptions receive, and then what is measured. Each frame has its sending
// time in its payload, so that it is told where versions carry no timestamps.
type feed struct {
	stream
	shape
	ctx   context.Context // Ctrl-C
	epoch time.Time
	begin <-chan struct{} // closed when all subscriptions receive

	readers int64 // how many subscriptions there are

	first    atomic.Uint64 // the first group that is measured; MaxUint64 before
	frames   atomic.Int64  // produced to be measured
	received atomic.Int64  // of these, by all readers
	forgiven int64         // taken for lost
}

// A shape is how much a feed produces.
type shape struct {
	rate     float64 // frames a second; 0: as many as go through
	size     int     // bytes a frame
	group    int     // frames a group
	duration time.Duration
	window   int // bytes that may be under way in each subscription, with rate 0
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

// measured produces at a steady rate from the first group on.
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

// due waits until frame i is to be sent, and returns when that was: now, or
// earlier if sending is behind, for that delays frames as well.
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

// awaitRoom waits until no more is under way than may be.
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

// sentAt is the sending time in a payload.
func sentAt(epoch time.Time, payload []byte) (time.Time, bool) {
	if len(payload) < stampSize {
		return time.Time{}, false
	}
	return epoch.Add(time.Duration(binary.BigEndian.Uint64(payload))), true
}

// groups is how many groups have been produced to be measured.
func (f *feed) groups() int64 { return (f.frames.Load() + int64(f.group) - 1) / int64(f.group) }
