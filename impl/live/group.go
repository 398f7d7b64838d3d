package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// What a group and a frame count for beside their payloads, so that many empty
// ones are bounded too.
const (
	groupCost = 512
	frameCost = 64
)

// A group holds its frames once, for all who read it. Payloads stand one after
// the other in chunks; what of a chunk has been published never changes, so
// readers write straight from it, without a lock.
type group struct {
	seq  api.GroupSequence
	edge *edge // of the track

	// Guarded by the track.
	held     int64     // counted in the track's bytes
	touched  time.Time // when it was last written to
	stamped  bool      // has a frame,
	stamp    uint64    // the timestamp of the first
	released bool      // reset or evicted: holds no frames
	evicted  bool      // no longer of the track

	mu        sync.Mutex
	more      sync.Cond // something below has changed
	skipped   uint64    // frames before the first that is here
	frames    []frame
	chunks    [][]byte
	lacks     uint64          // bytes of the last frame that are to come
	closed    bool            // no more frames
	err       error           // why it was reset, for readers
	writerErr error           // why no more may be written
	ctx       context.Context // made when asked for
	cancel    context.CancelCauseFunc
}

// A frame is where a payload begins; it goes on in the chunks that follow.
type frame struct {
	timestamp, size uint64
	chunk, offset   int
}

func newGroup(seq api.GroupSequence, e *edge) *group {
	g := &group{seq: seq, edge: e, held: groupCost, touched: time.Now()}
	g.more.L = &g.mu
	return g
}

// An update is what was written to a group.
type update struct {
	tail  []byte // the last chunk, longer than before
	fresh []byte // one more chunk
	frame *frame // one more frame
	bytes int    // of the last frame
}

// publish shows readers what was written.
func (g *group) publish(u update) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	if u.tail != nil {
		g.chunks[len(g.chunks)-1] = u.tail
	}
	if u.fresh != nil {
		g.chunks = append(g.chunks, u.fresh)
	}
	if u.frame != nil {
		g.frames = append(g.frames, *u.frame)
		g.lacks = u.frame.size
	}
	g.lacks -= uint64(u.bytes)
	g.more.Broadcast()
	return nil
}

// usable is why nothing more may be written, or nil. The lock is held.
func (g *group) usable() error {
	if g.writerErr != nil {
		return fmt.Errorf("group %d: %w", g.seq, g.writerErr)
	}
	return nil
}

// skip says that the first n frames are not here.
func (g *group) skip(n uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	if len(g.frames) > 0 || g.skipped > 0 {
		return fmt.Errorf("group %d: frames are skipped before the first, and once", g.seq)
	}
	g.skipped = n
	return nil
}

// finish ends the group in order. It returns why it was reset before, if it
// was.
func (g *group) finish() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed && g.err == nil {
		g.closed = true
		g.over(api.ErrClosed)
	}
	if g.err != nil && g.writerErr != api.ErrClosed {
		return fmt.Errorf("group %d: %w", g.seq, g.writerErr)
	}
	return nil
}

// fail resets the group: its readers get a code, its writer an error. The
// frames are let go.
func (g *group) fail(code api.StreamErrorCode, writerErr error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return
	}
	g.err = &api.StreamError{Code: code}
	g.chunks, g.frames = nil, nil
	g.edge.drop(g.seq)
	g.over(writerErr)
}

// failure is why the group was reset, nil if it was not.
func (g *group) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// over ends writing, if that has not ended. The lock is held.
func (g *group) over(err error) {
	if g.writerErr == nil {
		g.writerErr = err
		if g.cancel != nil {
			g.cancel(err)
		}
	}
	g.more.Broadcast()
}

// isOpen tells whether frames may still be written.
func (g *group) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.writerErr == nil
}

// context ends when nothing more may be written.
func (g *group) context() context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx == nil {
		g.ctx, g.cancel = context.WithCancelCause(context.Background())
		if g.writerErr != nil {
			g.cancel(g.writerErr)
		}
	}
	return g.ctx
}
