package receive

import (
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// Sizes of the pooled read buffers. A stream uses a middle one as a rule, a large one once
// a read has filled that, and a small one while it reads large frames (see Stream.direct).
const (
	smallBuffer  = 512
	middleBuffer = 4 << 10
	largeBuffer  = 16 << 10
)

var (
	smallBuffers  = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	middleBuffers = sync.Pool{New: func() any { return new([middleBuffer]byte) }}
	largeBuffers  = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// A Stream is a buffered reader of a unidirectional stream, or of the answer to a fetch.
// A small group that has arrived whole when its stream is accepted is read at once, into
// a slice of just its length, so that it waits for its reader without holding credit of
// flow control. One goroutine at a time may read; Cancel may be called by any.
type Stream struct {
	raw transport.ReceiveStream
	buf []byte // bytes that were read
	at  int    // how many of buf are consumed
	err error  // the error that follows the bytes of buf

	// stock is what stockUp has read from the stream to weigh its group. It precedes
	// what is left in the stream. stockErr is the error that followed it.
	stock    []byte
	stockAt  int // how many bytes of stock are consumed
	stockErr error

	timed bool // a read deadline is set

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

var (
	_ io.ByteReader = (*Stream)(nil)
	_ io.Reader     = (*Stream)(nil)
)

// Cancel tells the peer that this end wants no more of the stream.
func (in *Stream) Cancel(code api.StreamErrorCode) { in.raw.CancelRead(uint64(code)) }

// SetDeadline bounds the reads that wait, until [Stream.ClearDeadline] is called.
func (in *Stream) SetDeadline(t time.Time) {
	in.timed = true
	_ = in.raw.SetReadDeadline(t)
}

// ClearDeadline removes the deadline, if one is set.
func (in *Stream) ClearDeadline() {
	if in.timed {
		in.timed = false
		_ = in.raw.SetReadDeadline(time.Time{})
	}
}

// readFirst reads the first bytes of a stream that was just accepted, and reports whether
// they, or its end, have arrived.
func (in *Stream) readFirst(a *Arrivals) bool {
	scratch := middleBuffers.Get().(*[middleBuffer]byte)
	n, err := a.readSoon(in.raw, scratch[:])
	if !timedOut(err) {
		in.err = err
	}
	if !in.whole() {
		_ = in.raw.SetReadDeadline(time.Time{})
	}
	in.drained = n < middleBuffer
	if n > middleBuffer/2 {
		in.buf = scratch[:n] // releaseBuffer returns it to the pool
		return true
	}
	in.buf = a.shelf.keep(scratch[:n])
	middleBuffers.Put(scratch)
	return n > 0 || in.err != nil
}

// await blocks until the stream's first bytes or its end have arrived, and reads them.
func (in *Stream) await() error {
	scratch := middleBuffers.Get().(*[middleBuffer]byte)
	defer middleBuffers.Put(scratch)
	n, err := in.pull(scratch[:])
	in.buf, in.err = slices.Clone(scratch[:n]), err
	if n > 0 || err == io.EOF {
		return nil
	}
	return err
}

// releaseBuffer returns the buffer to its pool. It is called by the reader only, and
// nothing in the buffer may be in use.
func (in *Stream) releaseBuffer() {
	switch b := in.buf; cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case middleBuffer:
		middleBuffers.Put((*[middleBuffer]byte)(b[:middleBuffer]))
	case largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
	in.buf, in.at = nil, 0
}

// whole reports whether everything was read from the stream.
func (in *Stream) whole() bool { return in.err != nil || in.stockErr != nil }

// empty reports whether everything in the buffer is consumed: what follows is in the stock
// or in the stream.
func (in *Stream) empty() bool { return in.at == len(in.buf) }

// inHand is how many bytes of memory hold what was read and is not consumed.
func (in *Stream) inHand() uint64 { return uint64(len(in.buffered()) + cap(in.stock)) }

// buffered returns the bytes of the buffer that are not consumed.
func (in *Stream) buffered() []byte { return in.buf[in.at:] }

// Begins reports whether the stream is of type t and its first message is buffered whole.
// Nothing may have been consumed.
func (in *Stream) Begins(v *message.Version, t message.StreamType) bool {
	kind, n, err := v.ParseVarint(in.buffered())
	if err != nil || message.StreamType(kind) != t {
		return false
	}
	_, _, ok := parseBody(in.buffered()[n:], v)
	return ok
}

// parseBody returns the body of the message that b begins with, and the length of both
// together. ok is false if b ends before the message.
func parseBody(b []byte, v *message.Version) (body []byte, length int, ok bool) {
	size, n, err := v.ParseVarint(b)
	if err != nil || size > uint64(len(b)-n) {
		return nil, 0, false
	}
	length = n + int(size)
	return b[n:length], length, true
}

// ReadMessage reads a message with its length and returns its body, which is valid until
// the next read. waited reports whether it was not buffered whole; until it is, its memory
// counts in room.
func (in *Stream) ReadMessage(v *message.Version, room message.Room) (body []byte, waited bool, err error) {
	if body, n, ok := parseBody(in.buffered(), v); ok {
		in.at += n
		return body, false, nil
	}
	body, err = message.ReadBodyWithin(room, in, v, message.MaxBody, nil)
	return body, true, err
}

// fill reads from the stream into the buffer, which is empty; a single byte if byteOnly is
// set.
func (in *Stream) fill(byteOnly bool) error {
	if in.err != nil {
		return in.err
	}
	switch size := cap(in.buf); {
	case byteOnly:
		in.releaseBuffer()
		in.buf = in.first[:]
	case in.direct && size != smallBuffer:
		in.releaseBuffer()
		in.buf = smallBuffers.Get().(*[smallBuffer]byte)[:]
	case in.direct:
	case size < middleBuffer:
		in.releaseBuffer()
		in.buf = middleBuffers.Get().(*[middleBuffer]byte)[:]
	case size == middleBuffer && len(in.buf) == middleBuffer: // the last read filled it
		in.releaseBuffer()
		in.buf = largeBuffers.Get().(*[largeBuffer]byte)[:]
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

// pull reads from the stock or the stream into p.
func (in *Stream) pull(p []byte) (int, error) {
	if in.stock != nil || in.stockErr != nil {
		return in.pullStock(p)
	}
	for {
		if n, err := in.raw.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
}

// pullStock reads from the stock.
func (in *Stream) pullStock(p []byte) (n int, err error) {
	n = copy(p, in.stock[in.stockAt:])
	if in.stockAt += n; in.stockAt == len(in.stock) {
		in.stock, in.stockAt, err = nil, 0, in.stockErr
	}
	return n, err
}

// stockUp moves what has arrived from the stream to the stock, at most most bytes, and
// reports whether there were that many. Nothing else may read meanwhile.
func (in *Stream) stockUp(most uint64) (full bool) {
	scratch := largeBuffers.Get().(*[largeBuffer]byte)
	defer largeBuffers.Put(scratch)
	for in.stockErr == nil && most > 0 {
		_ = in.raw.SetReadDeadline(time.Now().Add(arrivalWait))
		n, err := in.raw.Read(scratch[:min(most, largeBuffer)])
		in.stock = append(in.stock, scratch[:n]...)
		most -= uint64(n)
		if timedOut(err) {
			break
		}
		in.stockErr = err
	}
	_ = in.raw.SetReadDeadline(time.Time{})
	return most == 0
}

// discardStock frees the stock. Reads of what is not buffered then fail.
func (in *Stream) discardStock() { in.stock, in.stockErr = nil, net.ErrClosed }

// ReadByte implements [io.ByteReader].
func (in *Stream) ReadByte() (byte, error) {
	if in.empty() {
		if err := in.fill(false); err != nil {
			return 0, err
		}
	}
	b := in.buf[in.at]
	in.at++
	return b, nil
}

// Read implements [io.Reader]. Large reads bypass the buffer.
func (in *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if in.empty() {
		if in.err != nil {
			return 0, in.err
		}
		if len(p) >= middleBuffer || in.direct && len(p) >= smallBuffer {
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

// nextBuffered consumes and returns up to most buffered bytes, and fills the buffer first
// if it is empty. They are valid until the next call of any method.
func (in *Stream) nextBuffered(most uint64) ([]byte, error) {
	if in.empty() {
		if err := in.fill(false); err != nil {
			return nil, err
		}
	}
	b := in.buffered()
	b = b[:min(uint64(len(b)), most)]
	in.at += len(b)
	return b, nil
}

// bufferedHeader reads the header of a frame if that is buffered whole; otherwise the
// error is io.ErrUnexpectedEOF. previous is the timestamp of the frame before.
func (in *Stream) bufferedHeader(v *message.Version, previous uint64) (message.FrameHeader, error) {
	h, n, err := message.ParseFrameHeader(in.buffered(), v, previous)
	if err != io.ErrUnexpectedEOF {
		in.at += n
	}
	return h, err
}

// readHeader waits for the header of a frame and reads it.
func (in *Stream) readHeader(v *message.Version, previous uint64) (message.FrameHeader, error) {
	if in.empty() {
		if err := in.fill(in.drained); err != nil {
			return message.FrameHeader{}, err
		}
	}
	if h, err := in.bufferedHeader(v, previous); err != io.ErrUnexpectedEOF {
		return h, err
	}
	return message.ReadFrameHeader(in, v, previous)
}

// readFull reads all of p if that is buffered, and nothing otherwise.
func (in *Stream) readFull(p []byte) bool {
	b := in.buffered()
	if len(b) < len(p) {
		return false
	}
	copy(p, b)
	in.at += len(p)
	return true
}
