package send

import (
	"testing"
	"unsafe"

	"github.com/moqlite/moqlite/api"
)

// TestGroupSize: a group fits into a size class of the allocator, of which the next is 16
// bytes larger. One is made for each group that is sent to each subscriber.
func TestGroupSize(t *testing.T) {
	if size := unsafe.Sizeof(Group{}); size > 224 {
		t.Errorf("a group has %d bytes", size)
	}
}

// A writer may ask for its group's context before each frame: that costs nothing after the
// first time. Otherwise all of that would be kept until the group's end.
func TestContextIsWatchedOnce(t *testing.T) {
	h, l := newStubHost(t, true), new(Lane)
	l.Init(h.queue, 0, 0)
	g := l.NewGroup(new(stubOwner), 0, Frames{})
	g.SetStream(newStubStream(h))
	if n := testing.AllocsPerRun(100, func() { _ = g.Context() }); n > 0 {
		t.Errorf("%v allocations a call", n)
	}
	g.Cancel(api.StreamCancelled)
}

// A group's writer closes it when its first write is over, but the slot is not taken back
// yet. The rest of the group then leaves: it does not rank behind newer groups.
func TestClosedAtTheEndOfTheFirstWrite(t *testing.T) {
	for name, late := range map[string]bool{"more was pending": false, "more is submitted": true} {
		t.Run(name, func(t *testing.T) {
			h, l := newStubHost(t, true), new(Lane)
			l.Init(h.queue, 0, 0)
			g := l.NewGroup(new(stubOwner), 0, Frames{})
			g.SetStream(newStubStream(h))
			_ = g.Open()
			q := h.queue
			q.mu.Lock()
			s := q.give(g)
			q.serving = true
			q.mu.Unlock()
			g.queued = true
			if !late {
				_ = g.WriteFrame(api.Frame{Payload: []byte("pending")})
			}
			more, _ := s.settle()
			if late {
				_ = g.WriteFrame(api.Frame{Payload: []byte("submitted")})
			}
			_ = g.Close()
			if next := q.pass(s, more); next == nil || next.group != g {
				t.Error("the rest of the group gets no slot")
			}
			if len(l.leaving) != 1 {
				t.Error("the group is not leaving")
			}
			g.Cancel(api.StreamCancelled)
			if len(l.leaving) != 0 || q.Len() != 0 {
				t.Error("a trace of the group is left")
			}
		})
	}
}
