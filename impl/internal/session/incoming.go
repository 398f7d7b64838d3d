package session

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

const (
	// eager is how long the accept loop waits for the first bytes of a stream,
	// which have arrived with it as a rule.
	eager = 200 * time.Microsecond

	// readAhead is how much of a stream is read at a time.
	readAhead = 4 << 10

	// smallRead and headRead are enough for a small group, and for the message
	// that a group begins with, without memory of their own.
	smallRead = 160
	headRead  = 24
)

// incoming is a buffered reader of a unidirectional stream. What was read
// ahead when the stream was accepted is held in as many bytes as it has: a
// whole small group then waits for its reader without holding stream credit.
type incoming struct {
	stream transport.ReceiveStream
	buf    []byte // read ahead
	at     int    // consumed of buf
	err    error  // after buf
	small  [smallRead]byte
	head   [headRead]byte

	// Whose body this is, if it counts as unread while its reader does not
	// wait.
	counts *groupReader
}

var scratchPool = sync.Pool{New: func() any { return new([readAhead]byte) }}

// peek reads what arrives first until a time, and tells whether anything did.
func (in *incoming) peek(until time.Time) bool {
	scratch := scratchPool.Get().(*[readAhead]byte)
	defer scratchPool.Put(scratch)
	_ = in.stream.SetReadDeadline(until)
	n, err := in.stream.Read(scratch[:])
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		in.err = err
	}
	if !in.whole() {
		_ = in.stream.SetReadDeadline(time.Time{})
	}
	in.buf = append(in.small[:0], scratch[:n]...)
	return n > 0 || in.err != nil
}

// whole tells whether nothing is left in the stream.
func (in *incoming) whole() bool { return in.err != nil }

// buffered is what can be read without waiting for the stream.
func (in *incoming) buffered() []byte { return in.buf[in.at:] }

// hasHeader tells whether the stream's type and first message are buffered, so
// that parsing them does not wait for the peer.
func (in *incoming) hasHeader(v *message.Version) bool {
	if in.whole() {
		return true
	}
	b := in.buffered()
	_, typeLen, err := v.ParseVarint(b)
	if err != nil {
		return false
	}
	size, sizeLen, err := v.ParseVarint(b[typeLen:])
	return err == nil && uint64(len(b)-typeLen-sizeLen) >= size
}

// await waits for the first bytes, or the end, of the stream.
func (in *incoming) await() error {
	scratch := scratchPool.Get().(*[readAhead]byte)
	defer scratchPool.Put(scratch)
	n, err := in.pull(scratch[:])
	in.buf, in.err = append(in.small[:0], scratch[:n]...), err
	if n > 0 || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// fill reads more of the stream; the buffer is empty.
func (in *incoming) fill() error {
	if in.err != nil {
		return in.err
	}
	if cap(in.buf) < readAhead {
		in.buf = make([]byte, readAhead)
	}
	in.buf, in.at = in.buf[:cap(in.buf)], 0
	n, err := in.pull(in.buf)
	in.buf = in.buf[:n]
	in.err = err
	if n > 0 {
		return nil
	}
	return err
}

// pull reads from the stream itself.
func (in *incoming) pull(p []byte) (int, error) {
	if in.counts != nil {
		in.counts.unpark()
		defer in.counts.park()
	}
	for {
		if n, err := in.stream.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
}

// ReadByte implements [io.ByteReader].
func (in *incoming) ReadByte() (byte, error) {
	if in.at == len(in.buf) {
		if err := in.fill(); err != nil {
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
		if len(p) >= readAhead {
			n, err := in.pull(p)
			in.err = err
			if n > 0 {
				err = nil
			}
			return n, err
		}
		if err := in.fill(); err != nil {
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
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
	b := in.buffered()
	b = b[:min(uint64(len(b)), most)]
	in.at += len(b)
	return b, nil
}

// takeGroup gives a group of the peer to its subscription, for as long as that
// takes even if its header was bounded.
func (s *Session) takeGroup(g *groupReader, bounded bool) {
	var m message.Group
	in := &g.in
	body, err := message.ReadBody(in, s.version, message.MaxBody, in.head[:])
	if err == nil {
		err = m.Parse(s.version, body)
	}
	if err != nil {
		in.stream.CancelRead(uint64(api.StreamMalformed))
		return
	}
	if bounded {
		_ = in.stream.SetReadDeadline(time.Time{})
	}
	s.mu.Lock()
	sub := s.subs[m.Subscribe]
	s.mu.Unlock()
	if sub == nil {
		in.stream.CancelRead(uint64(api.StreamCancelled))
		return
	}
	g.identify(sub, api.GroupSequence(m.Sequence), m.StartFrame)
	sub.offer(g)
}

var (
	_ io.ByteReader = (*incoming)(nil)
	_ io.Reader     = (*incoming)(nil)
)
