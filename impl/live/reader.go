package live

import (
	"io"

	"github.com/moqlite/moqlite/api"
)

// A reader copies a group to one writer, while the group is being written. It
// waits on the group's condition variable, and writes without any lock: the
// bytes that were published never change. When it is told to stop, it still
// finishes the write that it is in, unless [reader.abort] cancels the writer.
type reader struct {
	group *group
	w     api.GroupWriter

	start, end uint64 // the frames wanted; an end of 0 is no bound
	whole      bool   // fail if the group begins after start

	// The position, used only by the goroutine that runs the reader.
	started bool   // the first frame was found
	frame   uint64 // index in the group's frames
	inFrame bool   // the frame's header was written,
	sent    uint64 // and this much of its payload;
	chunk   int    // the rest is here
	offset  int

	// Guarded by the group.
	stopped error // why to stop
	noWait  bool  // stop rather than wait for more
	writing bool  // it writes to w, which may block
}

// A part is what a reader writes next.
type part struct {
	kind    partKind
	skip    uint64
	header  api.FrameHeader
	payload []byte
	shared  *api.SharedFrame // the frame, if it is the track's newest
}

type partKind uint8

const (
	partSkip  partKind = iota // frames that are left out
	partFrame                 // a frame in one piece
	partStart                 // the header of a frame
	partPiece                 // a piece of its payload
	partEnd                   // the end of the group
)

// copyGroup copies the group and ends the writer with it.
func (r *reader) copyGroup() {
	if err := r.copyParts(); err != nil {
		r.w.Cancel(api.ErrorCode(err))
	}
}

// copyParts returns nil when the group, or the part that was asked for, was
// written to its end and the writer closed.
func (r *reader) copyParts() error {
	var body io.Writer
	for {
		p, err := r.nextPart()
		if err != nil {
			return err
		}
		switch p.kind {
		case partSkip:
			err = r.w.SkipFrames(p.skip)
		case partFrame:
			err = r.writeFrame(&p)
		case partStart:
			body, err = r.w.StartFrame(p.header)
		case partPiece:
			_, err = body.Write(p.payload)
		case partEnd:
			return r.w.Close()
		}
		if err != nil {
			return err
		}
	}
}

// writeFrame writes a frame that is there in one piece, encoded only once for
// all subscribers where the writer can share that.
func (r *reader) writeFrame(p *part) error {
	if w, ok := r.w.(api.SharedWriter); ok && p.shared != nil {
		return w.WriteSharedFrame(p.shared)
	}
	return r.w.WriteFrame(api.Frame{Timestamp: p.header.Timestamp, Payload: p.payload})
}

// abort ends the reader with a code, even if its writer blocks.
func (r *reader) abort(code api.StreamErrorCode) {
	r.stopWith(&api.StreamError{Code: code})
	r.w.Cancel(code)
}

// stopWith makes the reader end before its next write.
func (r *reader) stopWith(err error) {
	r.group.mu.Lock()
	defer r.group.mu.Unlock()
	if r.stopped == nil {
		r.stopped = err
		r.group.changed.Broadcast()
	}
}

// endWithSubscription ends the reader when the subscription does: at once if
// its group is still being written, since it cannot be complete then, and else
// when all is passed on.
func (r *reader) endWithSubscription() {
	if r.group.isOpen() {
		r.abort(api.StreamCancelled)
	} else {
		r.stopWaiting()
	}
}

// isWriting reports whether the reader is in a write. If not, it waits for more
// of the group, or is about to.
func (r *reader) isWriting() bool {
	r.group.mu.Lock()
	defer r.group.mu.Unlock()
	return r.writing
}

// stopWaiting makes the reader end instead of waiting for more of the group.
func (r *reader) stopWaiting() {
	r.group.mu.Lock()
	defer r.group.mu.Unlock()
	r.noWait = true
	r.group.changed.Broadcast()
}

// nextPart waits for the next part.
func (r *reader) nextPart() (part, error) {
	g := r.group
	g.mu.Lock()
	defer g.mu.Unlock()
	defer func() { r.writing = true }()
	r.writing = false
	for {
		if r.stopped != nil {
			return part{}, r.stopped
		}
		if g.err != nil {
			return part{}, g.err
		}
		if !r.started && (len(g.frames) > 0 || g.closed) {
			skip, err := r.findFirstFrame()
			if skip > 0 || err != nil {
				return part{kind: partSkip, skip: skip}, err
			}
		}
		if p, ok := r.writtenPart(); ok {
			return p, nil
		}
		if r.noWait {
			return part{}, &api.StreamError{Code: api.StreamCancelled}
		}
		g.changed.Wait()
	}
}

// findFirstFrame finds the first frame that is wanted, and returns how many
// frames are left out before it. The group's lock is held.
func (r *reader) findFirstFrame() (skip uint64, err error) {
	r.started = true
	skipped := r.group.skipped
	if r.whole && skipped > r.start {
		return 0, &api.StreamError{Code: api.StreamNotFound}
	}
	skip = max(r.start, skipped)
	r.frame = skip - skipped
	return skip, nil
}

// writtenPart returns the next part, if it has been written. The group's lock
// is held.
func (r *reader) writtenPart() (p part, ok bool) {
	g := r.group
	switch {
	case !r.started:
		return p, false
	case r.inFrame:
		payload := r.nextPiece()
		return part{kind: partPiece, payload: payload}, len(payload) > 0
	case r.end > 0 && g.skipped+r.frame >= r.end:
		return part{kind: partEnd}, true
	case r.frame < uint64(len(g.frames)):
		return r.nextHeader(), true
	default:
		return part{kind: partEnd}, g.closed
	}
}

// nextHeader begins a frame and returns its header, or all of it if it is stored in
// one piece. The group's lock is held.
func (r *reader) nextHeader() part {
	f := &r.group.frames[r.frame]
	p := part{kind: partStart, header: api.FrameHeader{Timestamp: f.timestamp, Size: f.size}}
	if f.size == 0 {
		r.frame++
		p.kind = partFrame
		return p
	}
	r.chunk, r.offset, r.sent = f.chunk, f.offset, 0
	if r.arrivedBytes() == f.size && f.chunk < len(r.group.chunks) {
		if chunk := r.group.chunks[f.chunk]; uint64(len(chunk)-f.offset) >= f.size {
			r.frame++
			p.kind, p.payload = partFrame, chunk[f.offset:f.offset+int(f.size)]
			if r.frame == uint64(len(r.group.frames)) && !r.group.closed {
				p.shared = r.group.newest.shareFrame(r.group.seq, r.group.skipped+r.frame, api.Frame{Timestamp: f.timestamp, Payload: p.payload})
			}
			return p
		}
	}
	r.inFrame = true
	return p
}

// arrivedBytes returns how many bytes of the current frame are there. The group's
// lock is held.
func (r *reader) arrivedBytes() uint64 {
	g := r.group
	size := g.frames[r.frame].size
	if r.frame == uint64(len(g.frames))-1 {
		return size - g.missingBytes
	}
	return size
}

// nextPiece returns the next piece of the current frame, empty if there is none
// yet. The group's lock is held.
func (r *reader) nextPiece() []byte {
	size, arrived := r.group.frames[r.frame].size, r.arrivedBytes()
	if arrived == r.sent {
		return nil
	}
	if r.offset == len(r.group.chunks[r.chunk]) {
		r.chunk, r.offset = r.chunk+1, 0
	}
	chunk := r.group.chunks[r.chunk]
	n := int(min(arrived-r.sent, uint64(len(chunk)-r.offset)))
	piece := chunk[r.offset : r.offset+n]
	r.offset += n
	r.sent += uint64(n)
	if r.sent == size {
		r.inFrame = false
		r.frame++
	}
	return piece
}
