package inorder

import (
	"errors"
	"io"
	"slices"
	"sync"
)

// frameOverhead is what a frame that is held counts for beside its payload, so
// that empty ones are bounded too.
const frameOverhead = 64

// A room bounds the frames that are read ahead of an iteration.
type room struct {
	limit uint64
	ring  func() // tells the loop that the room may be exhausted

	mu      sync.Mutex
	changed sync.Cond // of anything that mu guards, the groups included
	used    uint64
	waiting map[*Ahead]uint64 // what each needs for its next frame
}

func (r *room) init(limit uint64, ring func()) {
	r.limit, r.ring, r.waiting = limit, ring, make(map[*Ahead]uint64)
	r.changed.L = &r.mu
}

// fits reports whether there is room for a frame of so many bytes. The lock is
// held.
func (r *room) fits(size uint64) bool {
	return size <= r.limit && (r.used == 0 || r.used+size+frameOverhead <= r.limit)
}

// exhausted reports whether a group cannot be read on for want of room.
func (r *room) exhausted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for a, size := range r.waiting {
		if !a.handed && !a.cancelled && !r.fits(size) {
			return true
		}
	}
	return false
}

// release gives back the room of a frame. The lock is held.
func (r *room) release(size uint64) {
	r.used -= size + frameOverhead
	r.changed.Broadcast()
}

// An Ahead reads a group ahead, in a goroutine, until the group is handed over:
// the goroutine then ends after the frame at which it is, and what follows is
// read from the group itself. The goroutine of a group that was handed over ends
// when its next frame comes, or when it is abandoned.
type Ahead struct {
	group Group
	room  *room
	done  chan struct{} // closed when the goroutine has ended

	// Guarded by the room's lock.
	frames    []frame // read, and not taken yet
	handed    bool
	cancelled bool
	ended     bool      // the goroutine has ended
	header    Header    // of a frame that was begun and not read
	payload   io.Reader // the same; nil if there is none
	err       error     // what follows frames
}

// A frame was read ahead.
type frame struct {
	timestamp uint64
	payload   []byte
}

// ErrCancelled tells that the group was cancelled here.
var ErrCancelled = errors.New("cancelled")

// ErrShort tells that a payload ended before its announced size.
var ErrShort = errors.New("the payload is short")

// readAhead begins to read a group.
func (r *room) readAhead(g Group) *Ahead {
	a := &Ahead{group: g, room: r, done: make(chan struct{})}
	go a.run()
	return a
}

// run reads the group until its end, or until it was handed over.
func (a *Ahead) run() {
	defer close(a.done)
	defer a.finish()
	for a.goesOn() {
		h, payload, err := a.group.Next()
		if err != nil {
			a.fail(err)
			return
		}
		if !a.reserve(h, payload) {
			return
		}
		f := frame{timestamp: h.Timestamp}
		if f.payload, err = ReadPayload(nil, payload, h.Size); err != nil {
			a.giveBack(h.Size)
			a.fail(err)
			return
		}
		a.add(f)
	}
}

func (a *Ahead) goesOn() bool {
	a.room.mu.Lock()
	defer a.room.mu.Unlock()
	return !a.handed && !a.cancelled
}

// reserve waits for room for a frame. It reports false if the group was handed
// over before, with the frame, or cancelled.
func (a *Ahead) reserve(h Header, payload io.Reader) bool {
	r := a.room
	r.mu.Lock()
	defer r.mu.Unlock()
	defer delete(r.waiting, a)
	for !a.handed && !a.cancelled {
		if r.fits(h.Size) {
			r.used += h.Size + frameOverhead
			return true
		}
		r.waiting[a] = h.Size
		r.ring()
		r.changed.Wait()
	}
	a.header, a.payload = h, payload
	return false
}

// add adds a frame for which there is room.
func (a *Ahead) add(f frame) {
	r := a.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.cancelled {
		r.release(uint64(len(f.payload)))
		return
	}
	a.frames = append(a.frames, f)
	r.changed.Broadcast()
}

// giveBack gives back the room of a frame that has not come whole.
func (a *Ahead) giveBack(size uint64) {
	a.room.mu.Lock()
	defer a.room.mu.Unlock()
	a.room.release(size)
}

// fail notes what follows the frames.
func (a *Ahead) fail(err error) {
	a.room.mu.Lock()
	defer a.room.mu.Unlock()
	a.err = err
}

func (a *Ahead) finish() {
	a.room.mu.Lock()
	defer a.room.mu.Unlock()
	a.ended = true
	a.room.changed.Broadcast()
}

// ReadPayload appends the payload of a frame to dst. Memory is taken as bytes
// arrive, not by the size that was announced.
func ReadPayload(dst []byte, payload io.Reader, size uint64) ([]byte, error) {
	if dst == nil {
		dst = []byte{} // an empty frame is held too
	}
	for size > 0 {
		n := int(min(size, uint64(max(64<<10, len(dst)))))
		dst = slices.Grow(dst, n)
		read, err := io.ReadFull(payload, dst[len(dst):len(dst)+n])
		dst = dst[:len(dst)+read]
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = ErrShort
		}
		if err != nil {
			return dst, err
		}
		size -= uint64(n)
	}
	return dst, nil
}

// handOver ends the reading ahead.
func (a *Ahead) handOver() {
	a.room.mu.Lock()
	defer a.room.mu.Unlock()
	a.handed = true
	a.room.changed.Broadcast()
}

// abandon cancels what was not handed over, and waits for the goroutine. The
// group was abandoned before.
func (a *Ahead) abandon() {
	a.Cancel()
	<-a.done
}

// Cancel drops what is held. It does not cancel the group.
func (a *Ahead) Cancel() {
	r := a.room
	r.mu.Lock()
	defer r.mu.Unlock()
	a.cancelled = true
	for _, f := range a.frames {
		r.release(uint64(len(f.payload)))
	}
	a.frames = nil
	r.changed.Broadcast()
}

// Limit returns the largest payload that may be held.
func (a *Ahead) Limit() uint64 { return a.room.limit }

// Take waits for the next frame and returns it: as read, or as the payload of a
// frame that was only begun. Neither means that all that follows is to be read
// from the group itself.
func (a *Ahead) Take() (h Header, read []byte, begun io.Reader, err error) {
	r := a.room
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case a.cancelled:
			return h, nil, nil, ErrCancelled
		case len(a.frames) > 0:
			f := a.frames[0]
			a.frames[0] = frame{}
			a.frames = a.frames[1:]
			h = Header{Timestamp: f.timestamp, Size: uint64(len(f.payload))}
			r.release(h.Size)
			return h, f.payload, nil, nil
		case a.payload != nil:
			h, begun, a.payload = a.header, a.payload, nil
			return h, nil, begun, nil
		case a.err != nil:
			return h, nil, nil, a.err
		case a.ended:
			a.frames = nil
			return h, nil, nil, nil
		}
		r.changed.Wait()
	}
}
