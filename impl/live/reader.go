package live

import (
	"io"

	"github.com/moqlite/moqlite/api"
)

// A reader copies a group to one writer, while it is being written.
type reader struct {
	group *group
	w     api.GroupWriter

	start, end uint64 // the frames wanted, where an end of 0 is none
	whole      bool   // the group may not begin after start

	// Where it is, of the goroutine that runs it.
	begun  bool   // skipped is known
	frame  uint64 // index in the group's frames
	within bool   // the frame's header is written,
	sent   uint64 // and so much of its payload,
	chunk  int    // the next of which is here
	offset int

	// Guarded by the group.
	stopped error // why it is to stop
	hasty   bool  // it is not to wait
}

// A part is what a reader writes next.
type part struct {
	kind    partKind
	skip    uint64
	header  api.FrameHeader
	payload []byte
	shared  *api.SharedFrame // the frame, when it is at the edge
}

type partKind uint8

const (
	partSkip  partKind = iota // the frames that are left out
	partFrame                 // a frame in one piece
	partStart                 // the header of a frame
	partPiece                 // of its payload
	partEnd                   // of the group
)

// run copies until the end of the group, which it passes on.
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

// giveUp ends the reader with a code, also while its writer blocks.
func (r *reader) giveUp(code api.StreamErrorCode) {
	r.stop(&api.StreamError{Code: code})
	r.w.Cancel(code)
}

// stop has the reader end before its next write.
func (r *reader) stop(err error) {
	r.group.mu.Lock()
	defer r.group.mu.Unlock()
	if r.stopped == nil {
		r.stopped = err
		r.group.more.Broadcast()
	}
}

// leave ends the reader of a group that is still being written, which cannot be
// had whole any more; others end when all is passed on.
func (r *reader) leave() {
	if r.group.isOpen() {
		r.giveUp(api.StreamCancelled)
	} else {
		r.hasten()
	}
}

// hasten has the reader end where it would have to wait for the group.
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

// begin finds the first frame that is wanted, and returns how many are left
// out before. The group's lock is held.
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

// part is the next one, if it is there. The group's lock is held.
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

// header begins a frame; one that is there in one piece is the part itself.
// The group's lock is held.
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

// arrived is how much there is of the current frame. The group's lock is held.
func (r *reader) arrived() uint64 {
	g := r.group
	size := g.frames[r.frame].size
	if r.frame == uint64(len(g.frames))-1 {
		return size - g.lacks
	}
	return size
}

// piece is the next piece of the current frame, empty while there is none. The
// group's lock is held.
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
