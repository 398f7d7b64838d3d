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
	// eager is how long, or up to twice that, the accept loop waits for the first
	// bytes of a stream, which have arrived with it as a rule.
	eager = 100 * time.Microsecond

	// readAhead is how much of a stream is read at a time, and readFar how much
	// of one that has that much at once.
	readAhead = 4 << 10
	readFar   = 16 << 10
)

// incoming is a buffered reader of a unidirectional stream. What was read
// ahead when the stream was accepted is held in as many bytes as it has: a
// whole small group then waits for its reader without holding stream credit.
type incoming struct {
	stream transport.ReceiveStream
	buf    []byte // read ahead
	at     int    // consumed of buf
	err    error  // after buf

	// Whose body this is, if it counts as unread while nobody is reading, and
	// whether somebody is.
	counts  *groupReader
	reading bool

	// What was read while nobody was reading, to know how much there is: it comes
	// before what is left in the stream, and then the error that followed.
	stock    []byte
	stockAt  int // consumed of stock
	stockErr error

	// The last frame was large and read whole, and so will the next one be: what
	// goes before it is read ahead, and it itself to where it is wanted.
	direct bool

	// The last read has left nothing. At the beginning of a frame the next one,
	// which will have to wait, is of one byte, so that who waits holds no buffer.
	drained bool
	first   [1]byte
}

// The buffers that streams are read into, which those that read share.
var (
	aheadBuffers = sync.Pool{New: func() any { return new([readAhead]byte) }}
	farBuffers   = sync.Pool{New: func() any { return new([readFar]byte) }}
)

// A shelf keeps little runs of bytes, each in as many bytes as it has, several
// together: one allocation is for many small groups.
type shelf struct {
	free []byte // of which the length is taken
	size int    // of the last allocation
}

const (
	// maxShelf bounds what a run can hold of memory that is of others.
	maxShelf = 1 << 10

	// maxShelved is how large a run is that others may be beside.
	maxShelved = maxShelf / 4
)

// keep returns a copy of p.
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

// A lookahead is what the reads share that the accept loop makes.
type lookahead struct {
	session *Session
	now     time.Duration // since when no more than eager has passed
	shelf   shelf
}

// read reads from st what arrives first. The clock is read when time is up, and not
// for each of many streams.
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

// late tells whether a deadline has passed.
func late(err error) bool {
	return err != nil && err != io.EOF && errors.Is(err, os.ErrDeadlineExceeded)
}

// peek reads what arrives first, and tells whether anything did. Little is kept on
// the shelf.
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
		in.buf = scratch[:n] // which release gives back
		return true
	}
	in.buf = ahead.shelf.keep(scratch[:n])
	aheadBuffers.Put(scratch)
	return n > 0 || in.err != nil
}

// release gives back the buffer, of which nothing is used any more. It is for the
// reading goroutine.
func (in *incoming) release() {
	switch b := in.buf; cap(b) {
	case readAhead:
		aheadBuffers.Put((*[readAhead]byte)(b[:readAhead]))
	case readFar:
		farBuffers.Put((*[readFar]byte)(b[:readFar]))
	default:
		recycle(b)
	}
	in.buf, in.at = nil, 0
}

// whole tells whether nothing is left in the stream.
func (in *incoming) whole() bool { return in.err != nil || in.stockErr != nil }

// inHand is how much memory holds what was read and not consumed.
func (in *incoming) inHand() uint64 { return uint64(len(in.buffered()) + cap(in.stock)) }

// buffered is what can be read without waiting for the stream.
func (in *incoming) buffered() []byte { return in.buf[in.at:] }

// header returns the stream's type, its first message, and the length of both,
// if they are buffered.
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

// await waits for the first bytes, or the end, of the stream.
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

// fill reads more of the stream, or its next byte; the buffer is empty.
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
	case size == readAhead && len(in.buf) == readAhead: // there was more
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

// pull reads from the stream itself. Whoever calls it for a reader calls rest when
// that has what it asked for.
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

// pullStock reads what was read while nobody was reading.
func (in *incoming) pullStock(p []byte) (n int, err error) {
	n = copy(p, in.stock[in.stockAt:])
	if in.stockAt += n; in.stockAt == len(in.stock) {
		in.stock, in.stockAt, err = nil, 0, in.stockErr
	}
	return n, err
}

// stockUp reads what has arrived, while nobody else is reading, but no more than
// most. It tells whether as much has come.
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

// rest has the group count as unread again.
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

// Read implements [io.Reader]. Large reads go past the buffer.
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

// next returns up to most buffered bytes, filling the buffer if it is empty.
// They are valid until the next call of any method.
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

// frameHeader reads the header of a frame, waiting for it.
func (in *incoming) frameHeader(v *message.Version, previous uint64) (message.FrameHeader, error) {
	if in.at == len(in.buf) {
		if err := in.fill(in.drained); err != nil {
			return message.FrameHeader{}, err
		}
	}
	h, n, err := message.ParseFrameHeader(in.buffered(), v, previous)
	if err == io.ErrUnexpectedEOF { // it is cut off there
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

// takeGroup gives a group of the peer, of which body is the first message, to its
// subscription.
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
