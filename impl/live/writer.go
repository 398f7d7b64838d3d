package live

import (
	"context"
	"fmt"
	"io"

	"github.com/moqlite/moqlite/api"
)

const (
	// maxChunk is the most that is allocated ahead of the bytes to fill it.
	maxChunk = 64 << 10

	// maxSplit is the frame size from which on a frame may be split over two
	// chunks to fill the first one.
	maxSplit = 4 << 10

	// maxNumber is the highest number and timestamp that can be sent.
	maxNumber = 1<<62 - 1
)

// A groupWriter writes a group. It implements [api.GroupWriter].
type groupWriter struct {
	track *Track
	group *group
	paced bool // wait for room

	// Used only by the goroutine that writes.
	tail   []byte // the last chunk
	chunks int
	stored int    // the capacity of all chunks
	left   uint64 // bytes missing of the frame that is being written
}

var _ api.GroupWriter = (*groupWriter)(nil)

// Sequence implements [api.GroupWriter].
func (w *groupWriter) Sequence() api.GroupSequence { return w.group.seq }

// Context implements [api.GroupWriter].
func (w *groupWriter) Context() context.Context { return w.group.context() }

// WriteFrame implements [api.GroupWriter]. It blocks only if the track is
// Paced.
func (w *groupWriter) WriteFrame(f api.Frame) error {
	n := len(f.Payload)
	head := min(n, w.free())
	if head < n && n < maxSplit {
		head = 0
	}
	rest := n - head
	start, err := w.begin(api.FrameHeader{Timestamp: f.Timestamp, Size: uint64(n)}, rest)
	if err != nil {
		return err
	}
	u := update{frame: &start, bytes: n}
	if head > 0 {
		w.tail = append(w.tail, f.Payload[:head]...)
		u.tail = w.tail
	}
	if rest > 0 {
		w.grow(rest)
		w.tail = append(w.tail, f.Payload[head:]...)
		u.fresh = w.tail
		if head == 0 {
			start.chunk, start.offset = w.chunks-1, 0
		}
	}
	return w.group.publish(u)
}

// StartFrame implements [api.GroupWriter].
func (w *groupWriter) StartFrame(h api.FrameHeader) (io.Writer, error) {
	reserved := 0
	if h.Size < maxSplit && int(h.Size) > w.free() {
		reserved = int(h.Size)
	}
	start, err := w.begin(h, reserved)
	if err != nil {
		return nil, err
	}
	u := update{frame: &start}
	if reserved > 0 {
		w.grow(reserved)
		u.fresh = w.tail
		start.chunk, start.offset = w.chunks-1, 0
	}
	if err := w.group.publish(u); err != nil {
		return nil, err
	}
	w.left = h.Size
	return (*bodyWriter)(w), nil
}

// begin checks that a frame may begin, and counts it with a chunk for need more
// bytes. The frame it returns is stored after the last chunk's bytes.
func (w *groupWriter) begin(h api.FrameHeader, need int) (frame, error) {
	if w.left > 0 && w.group.isOpen() {
		return frame{}, w.short()
	}
	if h.Timestamp > maxNumber {
		return frame{}, fmt.Errorf("group %d: timestamp %d is too high", w.group.seq, h.Timestamp)
	}
	w.await()
	if err := w.track.admit(w.group, &h, w.chunkFor(need)); err != nil {
		return frame{}, fmt.Errorf("group %d: %w", w.group.seq, err)
	}
	return frame{timestamp: h.Timestamp, size: h.Size, chunk: max(w.chunks-1, 0), offset: len(w.tail)}, nil
}

// await waits for room if the track is Paced.
func (w *groupWriter) await() {
	if w.paced {
		w.track.awaitRoom(w.group)
	}
}

func (w *groupWriter) free() int { return cap(w.tail) - len(w.tail) }

// chunkFor returns the size of the next chunk if it is to hold need bytes:
// chunks grow with their group, so that a small group takes little more than it
// needs.
func (w *groupWriter) chunkFor(need int) int {
	if need == 0 {
		return 0
	}
	return max(need, min(w.stored, maxChunk))
}

// grow adds a chunk that holds need bytes.
func (w *groupWriter) grow(need int) {
	size := w.chunkFor(need)
	w.tail = make([]byte, 0, size)
	w.chunks++
	w.stored += size
}

// A bodyWriter is a groupWriter as the io.Writer of a frame's payload.
type bodyWriter groupWriter

// Write implements [io.Writer].
func (b *bodyWriter) Write(p []byte) (written int, err error) {
	w := (*groupWriter)(b)
	if uint64(len(p)) > w.left {
		return 0, fmt.Errorf("group %d: %d bytes for a frame that lacks %d: %w", w.group.seq, len(p), w.left, io.ErrShortBuffer)
	}
	for len(p) > 0 {
		n, err := w.writeSome(p)
		if err != nil {
			return written, err
		}
		written += n
		p = p[n:]
	}
	return written, nil
}

// writeSome writes as much of p as fits into one chunk.
func (w *groupWriter) writeSome(p []byte) (int, error) {
	fresh := w.free() == 0
	if fresh {
		w.await()
		need := int(min(w.left, maxChunk))
		if err := w.track.reserve(w.group, w.chunkFor(need)); err != nil {
			return 0, fmt.Errorf("group %d: %w", w.group.seq, err)
		}
		w.grow(need)
	}
	n := min(len(p), w.free())
	w.tail = append(w.tail, p[:n]...)
	w.left -= uint64(n)
	u := update{bytes: n}
	if fresh {
		u.fresh = w.tail
	} else {
		u.tail = w.tail
	}
	return n, w.group.publish(u)
}

// short resets the group because its last frame is shorter than its size.
func (w *groupWriter) short() error {
	w.track.reset(w.group, api.StreamWrongSize, &api.StreamError{Code: api.StreamWrongSize})
	return fmt.Errorf("group %d: the last frame is short by %d bytes, the group was reset", w.group.seq, w.left)
}

// SkipFrames implements [api.GroupWriter]. A subscriber that asked for a frame
// which is not available gets the group reset as not found.
func (w *groupWriter) SkipFrames(n uint64) error {
	if n == 0 {
		return nil
	}
	return w.group.skip(n)
}

// Close implements [api.GroupWriter].
func (w *groupWriter) Close() error {
	if w.left > 0 && w.group.isOpen() {
		return w.short()
	}
	err := w.group.finish()
	w.track.mu.Lock()
	w.track.room.Tell()
	w.track.mu.Unlock()
	return err
}

// Cancel implements [api.GroupWriter]. After Close it does nothing: the group
// is complete.
func (w *groupWriter) Cancel(code api.StreamErrorCode) {
	if w.group.isOpen() {
		w.track.reset(w.group, code, api.ErrClosed)
	}
}
