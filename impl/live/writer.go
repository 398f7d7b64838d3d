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

// A groupWriter writes a group. It implements [api.GroupWriter]. Its payloads
// are copied once, into the group's last chunk or a new one: what is published
// is never written again, and appending to a chunk does not move it, so readers
// need no copy and no lock. Before memory is allocated, the track has counted
// it.
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
	head := min(n, w.freeBytes())
	if head < n && n < maxSplit {
		head = 0
	}
	rest := n - head
	start, err := w.beginFrame(api.FrameHeader{Timestamp: f.Timestamp, Size: uint64(n)}, rest)
	if err != nil {
		return err
	}
	u := writeUpdate{frame: &start, bytes: n}
	if head > 0 {
		w.tail = append(w.tail, f.Payload[:head]...)
		u.tail = w.tail
	}
	if rest > 0 {
		w.addChunk(rest)
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
	if h.Size < maxSplit && int(h.Size) > w.freeBytes() {
		reserved = int(h.Size)
	}
	start, err := w.beginFrame(h, reserved)
	if err != nil {
		return nil, err
	}
	u := writeUpdate{frame: &start}
	if reserved > 0 {
		w.addChunk(reserved)
		u.fresh = w.tail
		start.chunk, start.offset = w.chunks-1, 0
	}
	if err := w.group.publish(u); err != nil {
		return nil, err
	}
	w.left = h.Size
	return (*bodyWriter)(w), nil
}

// beginFrame checks that a frame may begin, and counts it with a chunk for need
// more bytes. The frame it returns is stored after the last chunk's bytes.
func (w *groupWriter) beginFrame(h api.FrameHeader, need int) (frame, error) {
	if w.left > 0 && w.group.isOpen() {
		return frame{}, w.failShort()
	}
	if h.Timestamp > maxNumber {
		return frame{}, fmt.Errorf("group %d: timestamp %d is too high", w.group.seq, h.Timestamp)
	}
	w.awaitRoom()
	if err := w.track.admitFrame(w.group, &h, w.chunkFor(need)); err != nil {
		return frame{}, fmt.Errorf("group %d: %w", w.group.seq, err)
	}
	return frame{timestamp: h.Timestamp, size: h.Size, chunk: max(w.chunks-1, 0), offset: len(w.tail)}, nil
}

// awaitRoom waits for room if the track is Paced.
func (w *groupWriter) awaitRoom() {
	if w.paced {
		w.track.awaitRoom(w.group)
	}
}

// freeBytes returns how much fits into the last chunk, which is counted already.
func (w *groupWriter) freeBytes() int { return cap(w.tail) - len(w.tail) }

// chunkFor returns the size of the next chunk if it is to hold need bytes:
// chunks grow with their group, so that a small group takes little more than it
// needs.
func (w *groupWriter) chunkFor(need int) int {
	if need == 0 {
		return 0
	}
	return max(need, min(w.stored, maxChunk))
}

// addChunk adds a chunk that holds need bytes.
func (w *groupWriter) addChunk(need int) {
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
		return 0, fmt.Errorf("group %d: %d bytes written to a frame with %d bytes left: %w", w.group.seq, len(p), w.left, io.ErrShortBuffer)
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
	fresh := w.freeBytes() == 0
	if fresh {
		w.awaitRoom()
		need := int(min(w.left, maxChunk))
		if err := w.track.reserveChunk(w.group, w.chunkFor(need)); err != nil {
			return 0, fmt.Errorf("group %d: %w", w.group.seq, err)
		}
		w.addChunk(need)
	}
	n := min(len(p), w.freeBytes())
	w.tail = append(w.tail, p[:n]...)
	w.left -= uint64(n)
	u := writeUpdate{bytes: n}
	if fresh {
		u.fresh = w.tail
	} else {
		u.tail = w.tail
	}
	return n, w.group.publish(u)
}

// failShort resets the group because its last frame is shorter than its size.
func (w *groupWriter) failShort() error {
	w.track.resetGroup(w.group, api.StreamWrongSize, &api.StreamError{Code: api.StreamWrongSize})
	return fmt.Errorf("group %d: the last frame is short by %d bytes, the group was reset", w.group.seq, w.left)
}

// SkipFrames implements [api.GroupWriter]. A subscriber that asked for a frame
// which is not available gets the group reset as not found.
func (w *groupWriter) SkipFrames(n uint64) error {
	if n == 0 {
		return nil
	}
	return w.group.skipFrames(n)
}

// Close implements [api.GroupWriter].
func (w *groupWriter) Close() error {
	if w.left > 0 && w.group.isOpen() {
		return w.failShort()
	}
	err := w.group.closeGroup()
	w.track.mu.Lock()
	w.track.room.Tell()
	w.track.mu.Unlock()
	return err
}

// Cancel implements [api.GroupWriter]. After Close it does nothing: the group
// is complete.
func (w *groupWriter) Cancel(code api.StreamErrorCode) {
	if w.group.isOpen() {
		w.track.resetGroup(w.group, code, api.ErrClosed)
	}
}
