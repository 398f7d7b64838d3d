package send

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestBacklogTimes: the peer takes nothing. The writer waits for the first stream, then
// when 256 KiB are gathered, both for 10 ms, and at 1 MiB until the peer takes something.
func TestBacklogTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 32 << 10
		h, owner, l := newStubHost(t, true), new(stubOwner), new(Lane)
		l.Init(h.queue, 0, 0)
		written := make(map[time.Duration]int) // frames, by when they were written
		begin := time.Now()
		go func() {
			for seq := range api.GroupSequence(100) {
				g := l.NewGroup(owner, seq, Frames{})
				_ = g.Open()
				if g.WriteFrame(api.Frame{Payload: make([]byte, size)}) != nil {
					return
				}
				written[time.Since(begin)]++
			}
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		first, second := written[streamWait], written[streamWait+shortWait]
		if first != usualBacklog/size || first+second != maxBacklog/size || len(written) != 2 {
			t.Errorf("frames that were written at a time: %v", written)
		}
		h.set(func() { h.streams, h.credit = 100, 1<<30 })
		synctest.Wait()
		if n := written[time.Minute]; n == 0 {
			t.Error("the peer allows everything, and nothing is written")
		}
		time.Sleep(time.Minute)
		h.queue.Stop(api.ErrClosed)
	})
}

// TestFastWriterIsHeldBriefly: the transport is slow to take what it is given, without
// making anybody wait. A writer of many groups is held when 64 are queued, for 10 ms; the
// writer of another lane is not.
func TestFastWriterIsHeldBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, owner := newStubHost(t, true), new(stubOwner)
		h.slow, h.streams, h.credit = time.Millisecond, 1000, 1000
		fast, other := new(Lane), new(Lane)
		fast.Init(h.queue, 0, 0)
		other.Init(h.queue, 0, 0)
		write := func(l *Lane, seq api.GroupSequence) (took time.Duration, queued int) {
			g := l.NewGroup(owner, seq, Frames{})
			_ = g.Open()
			begin := time.Now()
			_ = g.WriteFrame(api.Frame{Payload: []byte("x")})
			took = time.Since(begin)
			_ = g.Close()
			h.queue.mu.Lock()
			defer h.queue.mu.Unlock()
			return took, h.queue.ready.groups
		}
		most := 0
		for seq := range api.GroupSequence(200) {
			took, queued := write(fast, seq)
			if most = max(most, queued); took > shortWait {
				t.Errorf("group %d: the writer was held for %v", seq, took)
			}
		}
		if most != maxQueued {
			t.Errorf("up to %d groups were queued", most)
		}
		if took, _ := write(other, 0); took != 0 {
			t.Errorf("the writer of another lane was held for %v", took)
		}
		time.Sleep(time.Second)
		h.queue.Stop(api.ErrClosed)
	})
}

// TestEmptyFramesAreHeld: a frame without a payload still has a header, so the writer of
// empty frames waits too when as much is pending as may be.
func TestEmptyFramesAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const frames = 2 * maxPending
		h, owner, l := newStubHost(t, true), new(stubOwner), new(Lane)
		l.Init(h.queue, 0, 0)
		g := l.NewGroup(owner, 0, Frames{})
		_ = g.Open()
		written := 0
		go func() {
			for range frames {
				if g.WriteFrame(api.Frame{}) != nil {
					return
				}
				written++
			}
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		g.mu.Lock()
		pending := len(g.pending)
		g.mu.Unlock()
		if written == frames || pending > largeBuffer {
			t.Errorf("%d of %d frames were written, %d bytes are pending", written, frames, pending)
		}
		h.set(func() { h.streams, h.credit = 1, 1<<30 })
		synctest.Wait()
		if written != frames {
			t.Errorf("the peer allows everything, and %d of %d frames were written", written, frames)
		}
		h.queue.Stop(api.ErrClosed)
	})
}
