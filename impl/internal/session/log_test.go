package session_test

import (
	"log/slog"
	"testing"
	"unsafe"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
)

// TestSessionSize: a session fits into a size class of the allocator, of which the next is
// 64 bytes larger. Most sessions of a server are idle.
func TestSessionSize(t *testing.T) {
	if size := unsafe.Sizeof(session.Session{}); size > 640 {
		t.Errorf("a session has %d bytes", size)
	}
}

// TestSilentLogIsFree: a line that nobody wants costs no memory.
func TestSilentLogIsFree(t *testing.T) {
	inBubble(t, api.Lite06, api.NewTrackMux(), func(_ *rawPeer, s *session.Session) {
		if n := testing.AllocsPerRun(100, func() {
			if s.Log().At(slog.LevelError) != nil {
				t.Error("a silent logger wants lines")
			}
			s.Log().Error("no line")
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
