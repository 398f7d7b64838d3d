package mpegts

import (
	"github.com/moqlite/moqlite/api/media"
)

// maxPES is how large the payload of a PES packet may become: more than a
// picture of any level of H.265 at a rate that is sent live.
const maxPES = 16 << 20

// A stream is an elementary stream: its PES packets are put together here, and
// its parser takes packets of media out of them.
type stream struct {
	entry
	parser
	id    int // of its track
	clock *clock

	counter int8 // of the last packet; below 0: none yet
	heard   bool // a PES packet has begun
	secret  bool // there are scrambled packets

	head   []byte // of a PES packet whose header is not whole yet
	open   bool   // a PES packet is being put together
	broken bool   // part of it is missing
	header pesHeader
	pts    int64 // of it, unrolled; unstated
	dts    int64
	data   []byte
}

// A parser takes the packets out of the PES packets of one stream.
type parser interface {
	// take takes over the payload of a PES packet, and returns the buffer for
	// the next one. broken: its end is missing.
	take(pes pes) []byte

	// next sets p to the next packet, but for its Track; false: there is none.
	// It is called until there is none before the next take.
	next(p *media.Packet) bool

	// lose tells that something is missing between two PES packets.
	lose()

	// describe sets what is known of the track; false: not enough yet.
	describe(t *media.Track) bool

	// beginsPicture reports whether b begins an access unit; false of sound.
	beginsPicture(b []byte) bool

	// dropped is how many pictures or frames were not whole, or not coded as
	// they are announced.
	dropped() uint64
}

// A pes is a PES packet that has ended.
type pes struct {
	data     []byte
	pts, dts int64 // unrolled; unstated
	until    int64 // from dts to that of the next one; 0: not known
	broken   bool  // its end is missing
}

func newStream(e entry, c *clock) *stream {
	s := &stream{entry: e, id: e.pid, clock: c, counter: -1}
	switch e.kind {
	case avc, hevc:
		s.parser = newPictures(e.kind)
	default:
		s.parser = newSounds(e)
	}
	return s
}

// video reports whether it is one of pictures; false of nil.
func (s *stream) video() bool { return s != nil && s.kind.video() }

// follows reports whether a packet follows the last one of the stream, and
// whether it is that one again. Where a PES packet begins with counter 0, a
// stream may have been joined to another, of which nothing is missing.
func (s *stream) follows(h header) (ok, again bool) {
	if s.counter < 0 || h.discontinuous {
		return true, false
	}
	again = h.counter == s.counter
	return h.counter == (s.counter+1)&15 || h.start && h.counter == 0 && !again, again
}

// ends reports whether the PES packet that is open ends where this packet
// begins: the first one of the next, unless that goes on with the same picture.
func (s *stream) ends(h header) bool {
	if !s.open || !h.start {
		return false
	}
	next, n := parsePES(h.payload)
	return n <= 0 || !s.video() || next.pts != unstated || s.beginsPicture(h.payload[n:])
}

// end hands the open PES packet to the parser. The header is that of the packet
// that ends it, if one does.
func (s *stream) end(h header) {
	p := pes{data: s.data, pts: s.pts, dts: s.dts, broken: s.broken}
	if next, n := parsePES(h.payload); h.start && n > 0 && next.dts != unstated && p.dts != unstated {
		const most = 10 * ticks
		if p.until = s.clock.unroll(next.dts) - p.dts; p.until < 0 || p.until > most {
			p.until = 0
		}
	}
	s.open, s.broken = false, false
	s.data = s.take(p)[:0]
}

// feed adds the payload of a packet. The PES packet before has ended.
func (s *stream) feed(h header) {
	payload := h.payload
	switch {
	case h.start && s.open: // the same picture goes on
		_, n := parsePES(payload)
		payload = payload[n:]
		s.header.length = 0
	case h.start:
		s.head = append(s.head[:0], payload...)
		payload = s.begin()
	case len(s.head) > 0:
		s.head = append(s.head, payload...)
		payload = s.begin()
	}
	if !s.open || s.broken {
		return
	}
	if left := s.header.length - len(s.data); s.header.length > 0 && len(payload) > left {
		payload = payload[:left] // stuffing
	}
	if len(s.data)+len(payload) > maxPES {
		s.broken = true
		return
	}
	s.data = append(s.data, payload...)
}

// begin opens a PES packet if its header is whole, and returns what follows it.
func (s *stream) begin() (payload []byte) {
	h, n := parsePES(s.head)
	if n == 0 {
		return nil
	}
	head := s.head
	s.head = s.head[:0]
	if n < 0 {
		return nil
	}
	s.open, s.heard, s.header = true, true, h
	s.pts, s.dts = unstated, unstated
	if h.dts != unstated {
		s.dts = s.clock.unroll(h.dts)
		s.pts = s.dts + (h.pts-h.dts)&(wrap-1)
		if s.pts-s.dts >= wrap/2 {
			s.pts -= wrap
		}
	}
	return head[n:]
}

// whole reports whether the open PES packet has all that its header announced.
// One of nearly the most that a header can tell may go on in the next.
func (s *stream) whole() bool {
	const nearlyMost = 60000
	n := s.header.length
	return s.open && n > 0 && len(s.data) >= n && (!s.video() || n < nearlyMost)
}

// lose notes that packets are missing.
func (s *stream) lose() {
	s.head = s.head[:0]
	if s.broken = s.open; !s.open {
		s.parser.lose()
	}
}
