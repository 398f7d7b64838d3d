package live

import (
	"io"

	"github.com/moqlite/moqlite/api"
)

// A reader copies a group to one writer, while the group is being written.
type reader struct {
	group *group
	w     api.GroupWriter

	start, end uint64 // the frames wanted; an end of 0 is no bound
	whole      bool   // fail if the group begins after start

	// The position, used only by the goroutine that runs the reader.
	begun  bool   // the first frame was found
	frame  uint64 // index in the group's frames
	within bool   // the frame's header was written,
	sent   uint64 // and this much of its payload;
	chunk  int    // the rest is here
	offset int

	// Guarded by the group.
	stopped error // why to stop
	hasty   bool  // stop rather than wait for more
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

// run copies the group and ends the writer with it.
func (r *reader) run() {
	if err := r.copy(); err != nil {
		r.w.Cancel(api.ErrorCode(err))
	}
}

func (r *reader) copy() error {
	var body io.Writer
	for {
		p, err := r.next()
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

func (r *reader) writeFrame(p *part) error {
	if w, ok := r.w.(api.SharedWriter); ok && p.shared != nil {
		return w.WriteSharedFrame(p.shared)
	}
	return r.w.WriteFrame(api.Frame{Timestamp: p.header.Timestamp, Payload: p.payload})
}

// giveUp ends the reader with a code, even if its writer blocks.
func (r *reader) giveUp(code api.StreamErrorCode) {
	r.stop(&api.StreamError{Code: code})
	r.w.Cancel(code)
}

// stop makes the reader end before its next write.
func (r *reader) stop(err error) {
	r.group.mu.Lock()
	defer r.group.mu.Unlock()
	if r.stopped == nil {
		r.stopped = err
		r.group.more.Broadcast()
	}
}

// leave ends the reader when the subscription does: at once if its group is
// still being written, since it cannot be complete then, and else when all is
// passed on.
func (r *reader) leave() {
	if r.group.isOpen() {
		r.giveUp(api.StreamCancelled)
	} else {
		r.hasten()
	}
}

// hasten makes the reader end instead of waiting for more of the group.
func (r *reader) hasten() {
	r.group.mu.Lock()
	defer r.group.mu.Unlock()
	r.hasty = true
	r.group.more.Broadcast()
}

// next waits for the next part.
func (r *reader) next() (part, error) {
	g := r.group
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		if r.stopped != nil {
			return part{}, r.stopped
		}
		if g.err != nil {
			return part{}, g.err
		}
		if !r.begun && (len(g.frames) > 0 || g.closed) {
			skip, err := r.begin()
			if skip > 0 || err != nil {
				return part{kind: partSkip, skip: skip}, err
			}
		}
		if p, ok := r.part(); ok {
			return p, nil
		}
		if r.hasty {
			return part{}, &api.StreamError{Code: api.StreamCancelled}
		}
		g.more.Wait()
	}
}

// begin finds the first frame that is wanted, and returns how many frames are
// left out before it. The group's lock is held.
func (r *reader) begin() (skip uint64, err error) {
	r.begun = true
	skipped := r.group.skipped
	if r.whole && skipped > r.start {
		return 0, &api.StreamError{Code: api.StreamNotFound}
	}
	skip = max(r.start, skipped)
	r.frame = skip - skipped
	return skip, nil
}

// part returns the next part, if it has been written. The group's lock is held.
func (r *reader) part() (p part, ok bool) {
	g := r.group
	switch {
	case !r.begun:
		return p, false
	case r.within:
		payload := r.piece()
		return part{kind: partPiece, payload: payload}, len(payload) > 0
	case r.end > 0 && g.skipped+r.frame >= r.end:
		return part{kind: partEnd}, true
	case r.frame < uint64(len(g.frames)):
		return r.header(), true
	default:
		return part{kind: partEnd}, g.closed
	}
}

// header begins a frame and returns its header, or all of it if it is stored in
// one piece. The group's lock is held.
func (r *reader) header() part {
	f := &r.group.frames[r.frame]
	p := part{kind: partStart, header: api.FrameHeader{Timestamp: f.timestamp, Size: f.size}}
	if f.size == 0 {
		r.frame++
		p.kind = partFrame
		return p
	}
	r.chunk, r.offset, r.sent = f.chunk, f.offset, 0
	if r.arrived() == f.size && f.chunk < len(r.group.chunks) {
		if chunk := r.group.chunks[f.chunk]; uint64(len(chunk)-f.offset) >= f.size {
			r.frame++
			p.kind, p.payload = partFrame, chunk[f.offset:f.offset+int(f.size)]
			if r.frame == uint64(len(r.group.frames)) && !r.group.closed {
				p.shared = r.group.edge.share(r.group.seq, r.group.skipped+r.frame, api.Frame{Timestamp: f.timestamp, Payload: p.payload})
			}
			return p
		}
	}
	r.within = true
	return p
}

// arrived returns how many bytes of the current frame are there. The group's
// lock is held.
func (r *reader) arrived() uint64 {
	g := r.group
	size := g.frames[r.frame].size
	if r.frame == uint64(len(g.frames))-1 {
		return size - g.lacks
	}
	return size
}

// piece returns the next piece of the current frame, empty if there is none
// yet. The group's lock is held.
func (r *reader) piece() []byte {
	size, arrived := r.group.frames[r.frame].size, r.arrived()
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
		r.within = false
		r.frame++
	}
	return piece
}
