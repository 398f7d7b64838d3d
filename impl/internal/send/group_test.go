package send

import (
	"testing"

	"github.com/moqlite/moqlite/api"
)

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
