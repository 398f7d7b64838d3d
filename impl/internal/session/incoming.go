package session

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

const (
	// eager is how long the accept loop waits for the first bytes of a stream; the
	// wait may take up to twice as long. As a rule they have arrived with it.
	eager = 100 * time.Microsecond

	// readAhead is the size of the usual read buffer, and readFar that of the one
	// for a stream that has filled the usual one. tinyBuffer is that of a buffer for
	// the headers of large frames.
	tinyBuffer = 512
	readAhead  = 4 << 10
	readFar    = 16 << 10
)

// incoming is a buffered reader of a stream. A small group that has arrived whole when
// its stream is accepted is read at once, into a slice of just its length, so it waits
// for its reader without holding stream credit.
type incoming struct {
	stream transport.ReceiveStream
	buf    []byte // bytes that were read
	at     int    // how many of buf are consumed
	err    error  // the error that follows the bytes of buf

	// counts is the group to park while its reader does not wait for the stream,
	// nil if the group need not be counted. reading is whether it is unparked.
	counts  *groupReader
	reading bool

	// stock is what readParked has read from the stream to weigh it. It precedes
	// what is left in the stream. stockErr is the error that followed it.
	stock    []byte
	stockAt  int // how many bytes of stock are consumed
	stockErr error

	// direct is set when ReadFrame has met a large frame, and the next one is
	// expected to be large too. Only a small buffer is then read ahead, for the
	// header, and the payload is read straight into the frame.
	direct bool

	// drained is set when the last read did not fill its buffer: nothing more had
	// arrived. The next frame header will have to be waited for, so that read is
	// of one byte, into first: a reader that waits then holds no pooled buffer.
	drained bool
	first   [1]byte
}

// Pools of read buffers.
var (
	tinyBuffers  = sync.Pool{New: func() any { return new([tinyBuffer]byte) }}
	aheadBuffers = sync.Pool{New: func() any { return new([readAhead]byte) }}
	farBuffers   = sync.Pool{New: func() any { return new([readFar]byte) }}
)

// A shelf copies short byte slices into shared blocks of memory, so that many small
// groups cost one allocation.
type shelf struct {
	free []byte // the current block: its length is used up
	size int    // of that block
}

const (
	// maxShelf is the largest block. It bounds how much memory a slice that is
	// still in use keeps from being freed.
	maxShelf = 1 << 10

	// maxShelved is the length of the longest slice that goes into a block.
	maxShelved = maxShelf / 4
)

// keep returns a copy of p, in a block if p is short.
func (s *shelf) keep(p []byte) []byte {
	if len(p) > maxShelved {
		return slices.Clone(p)
	}
	start := len(s.free)
	if len(p) > cap(s.free)-start {
		s.size = min(max(2*s.size, len(p)), maxShelf)
		s.free, start = make([]byte, 0, s.size), 0
	}
	s.free = append(s.free, p...)
	return slices.Clip(s.free[start:])
}

// A lookahead is the state that the accept loop shares among its first reads of
// streams.
type lookahead struct {
	session *Session
	now     time.Duration // the session's clock, as read last
	shelf   shelf
}

// read reads once from st, and waits for the first bytes for eager to twice that. To
// save reading the clock for each stream, the deadline is first set by the time read
// last; only when that has passed is the clock read and the read repeated.
func (l *lookahead) read(st transport.ReceiveStream, p []byte) (n int, err error) {
	_ = st.SetReadDeadline(l.session.began.Add(l.now + eager))
	n, err = st.Read(p)
	if !late(err) || n == len(p) {
		return n, err
	}
	l.now = l.session.clock()
	_ = st.SetReadDeadline(l.session.began.Add(l.now + eager))
	more, err := st.Read(p[n:])
	return n + more, err
}

// late reports whether err says that a deadline has passed.
func late(err error) bool {
	return err != nil && err != io.EOF && errors.Is(err, os.ErrDeadlineExceeded)
}

// peek reads the first bytes of a stream that was just accepted, and reports whether
// they, or its end, have arrived.
func (in *incoming) peek(ahead *lookahead) bool {
	scratch := aheadBuffers.Get().(*[readAhead]byte)
	n, err := ahead.read(in.stream, scratch[:])
	if !late(err) {
		in.err = err
	}
	if !in.whole() {
		_ = in.stream.SetReadDeadline(time.Time{})
	}
	in.drained = n < readAhead
	if n > readAhead/2 {
		in.buf = scratch[:n] // release returns it to the pool
		return true
	}
	in.buf = ahead.shelf.keep(scratch[:n])
	aheadBuffers.Put(scratch)
	return n > 0 || in.err != nil
}

// release returns the buffer to its pool. It is called by the reader only, and
// nothing in the buffer may be in use.
func (in *incoming) release() {
	switch b := in.buf; cap(b) {
	case readAhead:
		aheadBuffers.Put((*[readAhead]byte)(b[:readAhead]))
	case readFar:
		farBuffers.Put((*[readFar]byte)(b[:readFar]))
	case tinyBuffer:
		tinyBuffers.Put((*[tinyBuffer]byte)(b[:tinyBuffer]))
	}
	in.buf, in.at = nil, 0
}

// whole reports whether everything was read from the stream.
func (in *incoming) whole() bool { return in.err != nil || in.stockErr != nil }

// inHand is how many bytes of memory hold what was read and is not consumed.
func (in *incoming) inHand() uint64 { return uint64(len(in.buffered()) + cap(in.stock)) }

// buffered returns the bytes of the buffer that are not consumed.
func (in *incoming) buffered() []byte { return in.buf[in.at:] }

// header returns the stream type, the body of the first message, and the length of
// both together. ok is false if they are not buffered whole.
func (in *incoming) header(v *message.Version) (t message.StreamType, body []byte, length int, ok bool) {
	b := in.buffered()
	kind, typeLen, err := v.ParseVarint(b)
	if err != nil {
		return 0, nil, 0, false
	}
	size, sizeLen, err := v.ParseVarint(b[typeLen:])
	body = b[typeLen+sizeLen:]
	if err != nil || size > uint64(len(body)) {
		return 0, nil, 0, false
	}
	return message.StreamType(kind), body[:size], typeLen + sizeLen + int(size), true
}

// await blocks until the stream's first bytes or its end have arrived.
func (in *incoming) await() error {
	scratch := aheadBuffers.Get().(*[readAhead]byte)
	defer aheadBuffers.Put(scratch)
	n, err := in.pull(scratch[:])
	in.buf, in.err = slices.Clone(scratch[:n]), err
	if n > 0 || err == io.EOF {
		return nil
	}
	return err
}

// fill reads from the stream into the buffer, which is empty; a single byte if
// byteOnly is set.
func (in *incoming) fill(byteOnly bool) error {
	if in.err != nil {
		return in.err
	}
	switch size := cap(in.buf); {
	case byteOnly:
		in.release()
		in.buf = in.first[:]
	case in.direct && size != tinyBuffer:
		in.release()
		in.buf = tinyBuffers.Get().(*[tinyBuffer]byte)[:]
	case in.direct:
	case size < readAhead:
		in.release()
		in.buf = aheadBuffers.Get().(*[readAhead]byte)[:]
	case size == readAhead && len(in.buf) == readAhead: // the last read filled it
		in.release()
		in.buf = farBuffers.Get().(*[readFar]byte)[:]
	}
	in.buf, in.at = in.buf[:cap(in.buf)], 0
	n, err := in.pull(in.buf)
	in.drained = n < len(in.buf)
	in.buf = in.buf[:n]
	in.err = err
	if n > 0 {
		return nil
	}
	return err
}

// pull reads from the stock or the stream into p, and unparks the group first. The
// methods of the group's reader call rest before they return to the application.
func (in *incoming) pull(p []byte) (int, error) {
	if in.counts != nil && !in.reading {
		in.reading = true
		in.counts.unpark()
	}
	if in.stock != nil || in.stockErr != nil {
		return in.pullStock(p)
	}
	for {
		if n, err := in.stream.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
}

// pullStock reads from the stock.
func (in *incoming) pullStock(p []byte) (n int, err error) {
	n = copy(p, in.stock[in.stockAt:])
	if in.stockAt += n; in.stockAt == len(in.stock) {
		in.stock, in.stockAt, err = nil, 0, in.stockErr
	}
	return n, err
}

// stockUp moves what has arrived from the stream to the stock, at most most bytes,
// and reports whether there were that many. The group's reader must not read
// meanwhile.
func (in *incoming) stockUp(most uint64) (full bool) {
	scratch := farBuffers.Get().(*[readFar]byte)
	defer farBuffers.Put(scratch)
	for in.stockErr == nil && most > 0 {
		_ = in.stream.SetReadDeadline(time.Now().Add(eager))
		n, err := in.stream.Read(scratch[:min(most, readFar)])
		in.stock = append(in.stock, scratch[:n]...)
		most -= uint64(n)
		if late(err) {
			break
		}
		in.stockErr = err
	}
	_ = in.stream.SetReadDeadline(time.Time{})
	return most == 0
}

// rest parks the group again, if pull has unparked it.
func (in *incoming) rest() {
	if in.reading {
		in.reading = false
		in.counts.park()
	}
}

// ReadByte implements [io.ByteReader].
func (in *incoming) ReadByte() (byte, error) {
	if in.at == len(in.buf) {
		if err := in.fill(false); err != nil {
			return 0, err
		}
	}
	b := in.buf[in.at]
	in.at++
	return b, nil
}

// Read implements [io.Reader]. Large reads bypass the buffer.
func (in *incoming) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if in.at == len(in.buf) {
		if in.err != nil {
			return 0, in.err
		}
		if len(p) >= readAhead || in.direct && len(p) >= tinyBuffer {
			n, err := in.pull(p)
			in.err = err
			if n > 0 {
				err = nil
			}
			return n, err
		}
		if err := in.fill(false); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf[in.at:])
	in.at += n
	return n, nil
}

// next consumes and returns up to most buffered bytes, and fills the buffer first if
// it is empty. They are valid until the next call of any method.
func (in *incoming) next(most uint64) ([]byte, error) {
	if in.at == len(in.buf) {
		if err := in.fill(false); err != nil {
			return nil, err
		}
	}
	b := in.buffered()
	b = b[:min(uint64(len(b)), most)]
	in.at += len(b)
	return b, nil
}

// frameHeader waits for the header of a frame and reads it. previous is the
// timestamp of the frame before.
func (in *incoming) frameHeader(v *message.Version, previous uint64) (message.FrameHeader, error) {
	if in.at == len(in.buf) {
		if err := in.fill(in.drained); err != nil {
			return message.FrameHeader{}, err
		}
	}
	h, n, err := message.ParseFrameHeader(in.buffered(), v, previous)
	if err == io.ErrUnexpectedEOF { // it is not buffered whole
		return message.ReadFrameHeader(in, v, previous)
	}
	in.at += n
	return h, err
}

// readFull reads all of p if that is buffered, and nothing otherwise.
func (in *incoming) readFull(p []byte) bool {
	b := in.buffered()
	if len(b) < len(p) {
		return false
	}
	copy(p, b)
	in.at += len(p)
	return true
}

// takeGroup parses body, the GROUP message of a Group stream, and queues the group
// with its subscription. A group of an unknown subscription is refused.
func (s *Session) takeGroup(g *groupReader, body []byte, now time.Duration) {
	var m message.Group
	in := &g.in
	if m.Parse(s.version, body) != nil {
		in.stream.CancelRead(uint64(api.StreamMalformed))
		return
	}
	s.mu.Lock()
	sub := s.subs[m.Subscribe]
	s.mu.Unlock()
	if sub == nil {
		in.stream.CancelRead(uint64(api.StreamCancelled))
		return
	}
	g.identify(sub, api.GroupSequence(m.Sequence), m.StartFrame)
	sub.offer(g, now)
}

var (
	_ io.ByteReader = (*incoming)(nil)
	_ io.Reader     = (*incoming)(nil)
)
