package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// The bytes that a group and a frame count for besides their payloads, so that
// empty ones are bounded too.
const (
	groupCost = 512
	frameCost = 64
)

// A group holds its frames once for all readers. Payloads are stored one after
// the other in chunks. The published bytes of a chunk never change, so readers
// write straight from them without a lock.
type group struct {
	seq    api.GroupSequence
	newest *newestFrame // of the track

	// Guarded by the track.
	held     int64     // counted in the track's bytes
	touched  time.Time // the last write
	stamped  bool      // has a frame,
	stamp    uint64    // the timestamp of the first
	released bool      // it was reset or evicted, and holds no frames
	evicted  bool      // it is no longer in the track

	mu           sync.Mutex
	changed      sync.Cond // something below has changed
	skipped      uint64    // number of frames before the first that is held
	frames       []frame
	chunks       [][]byte
	missingBytes uint64          // bytes missing of the last frame
	closed       bool            // no more frames
	err          error           // why it was reset, for readers
	writerErr    error           // why no more may be written
	ctx          context.Context // made by the first call of context
	cancel       context.CancelCauseFunc
}

// A frame says where its payload begins; it continues in the chunks that
// follow.
type frame struct {
	timestamp, size uint64
	chunk, offset   int
}

func newGroup(seq api.GroupSequence, e *newestFrame) *group {
	g := &group{seq: seq, newest: e, held: groupCost, touched: time.Now()}
	g.changed.L = &g.mu
	return g
}

// A writeUpdate is what was written to a group since the last one.
type writeUpdate struct {
	tail  []byte // the last chunk, longer than before
	fresh []byte // one more chunk
	frame *frame // one more frame
	bytes int    // of the last frame
}

// publish makes what was written visible to readers.
func (g *group) publish(u writeUpdate) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.writeError(); err != nil {
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
		g.missingBytes = u.frame.size
	}
	g.missingBytes -= uint64(u.bytes)
	g.changed.Broadcast()
	return nil
}

// writeError returns why nothing more may be written, or nil. The lock is held.
func (g *group) writeError() error {
	if g.writerErr != nil {
		return fmt.Errorf("group %d: %w", g.seq, g.writerErr)
	}
	return nil
}

// skipFrames records that the first n frames are not available.
func (g *group) skipFrames(n uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.writeError(); err != nil {
		return err
	}
	if len(g.frames) > 0 || g.skipped > 0 {
		return fmt.Errorf("group %d: SkipFrames must be called once, before the first frame", g.seq)
	}
	g.skipped = n
	return nil
}

// closeGroup ends the group regularly. If it was reset before, it returns why.
func (g *group) closeGroup() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed && g.err == nil {
		g.closed = true
		g.endWriting(api.ErrClosed)
	}
	if g.err != nil && g.writerErr != api.ErrClosed {
		return fmt.Errorf("group %d: %w", g.seq, g.writerErr)
	}
	return nil
}

// resetWith resets the group and drops its frames: readers get the code, the writer
// gets writerErr.
func (g *group) resetWith(code api.StreamErrorCode, writerErr error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return
	}
	g.err = &api.StreamError{Code: code}
	g.chunks, g.frames = nil, nil
	g.newest.dropGroup(g.seq)
	g.endWriting(writerErr)
}

// resetError returns why the group was reset, nil if it was not.
func (g *group) resetError() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// endWriting ends writing with err, unless it has ended before. The lock is held.
func (g *group) endWriting(err error) {
	if g.writerErr == nil {
		g.writerErr = err
		if g.cancel != nil {
			g.cancel(err)
		}
	}
	g.changed.Broadcast()
}

// isOpen reports whether frames may still be written.
func (g *group) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.writerErr == nil
}

// context returns a context that ends when nothing more may be written.
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
