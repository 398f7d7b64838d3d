package mpegts

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// A Reader is the source of a program's packets. One goroutine at a time may
// use it, or what it reads from.
//
// A picture is given when the next one begins, since a transport stream does not
// tell where one ends: live, that is one picture late.
type Reader struct {
	packets packets
	clock   clock
	pat     section
	pmts    map[int]*section // by PID
	program int              // PID of the PMT that was chosen; 0: none yet
	pmt     []byte           // of the program, as it came last
	streams map[int]*stream  // by PID
	order   []*stream        // as announced
	media   map[int]*stream  // those that are tracks, by the track's ID

	waiting bool    // the last packet has not been used yet
	current header  // of it
	ready   *stream // has packets
	ended   error   // of the source
	ending  int     // of order, when the source has ended
	err     error   // of all later calls

	tracks  []media.Track
	ignored []error
	held    []media.Packet
	trimmed bool          // sound from before begin is dropped
	begin   time.Duration // of the first picture
	lost    uint64        // packets of 188 bytes: how often some were missing
}

// NewReader reads from r until it is known which tracks there are, and begins
// at the first key frame of its pictures. A stream of pictures that has no IDR
// picture begins at its second recovery point.
//
// A track that is announced and does not bring anything for two seconds of the
// stream is left out. It reads no more than 64 MiB to decide, and fails if that
// has no track that it knows.
func NewReader(r io.Reader) (*Reader, error) {
	t := &Reader{packets: newPackets(r), pmts: map[int]*section{}, streams: map[int]*stream{}}
	t.packets.limit = mostSearched
	for bytesHeld := 0; !t.settled() && bytesHeld < mostHeld; {
		var p media.Packet
		if t.err = t.read(&p, true); t.err != nil {
			break
		}
		if p.Payload == nil {
			continue // asked whether it is settled
		}
		bytesHeld += len(p.Payload)
		t.held = append(t.held, p)
	}
	if err := t.decide(); err != nil {
		return nil, err
	}
	if t.packets.limit = 0; errors.Is(t.err, errSearched) {
		t.ended, t.err = nil, nil
	}
	return t, nil
}

// Tracks implements [media.Reader]. The ID of a track is the PID that it had at
// first; it is followed to another where the program announces that. Pictures have
// no description: they are byte streams (annex B) with parameter sets before
// each key frame ("avc3", "hev1").
func (t *Reader) Tracks() []media.Track { return t.tracks }

// Ignored returns an error for each stream of the program that is no track: what
// it is, and why.
func (t *Reader) Ignored() []error { return t.ignored }

// Damage is what a [Reader] had to do without.
type Damage struct {
	Skipped uint64 // bytes that were no packets of a transport stream
	Lost    uint64 // places where packets are missing
	Dropped uint64 // pictures and frames of sound that were not whole, or not what was announced
}

// Damage returns what was damaged so far.
func (t *Reader) Damage() Damage {
	d := Damage{Skipped: t.packets.skipped, Lost: t.lost}
	for _, s := range t.order {
		d.Dropped += s.dropped()
	}
	return d
}

// ReadPacket implements [media.Reader]. Times are those of the stream, which
// seldom begin at zero; they go on where the 33 bits of the stream wrap. Damage
// to the stream is no error: see [Reader.Damage].
func (t *Reader) ReadPacket(p *media.Packet) error {
	for {
		if err := t.next(p); err != nil {
			return err
		}
		if t.media[p.Track] != nil && !t.early(p) { // nil: it was left out
			return nil
		}
	}
}

// next returns what was held, and then what is read.
func (t *Reader) next(p *media.Packet) error {
	if len(t.held) == 0 {
		return t.read(p, false)
	}
	payload := append(p.Payload[:0], t.held[0].Payload...)
	*p = t.held[0]
	p.Payload = payload
	t.held[0] = media.Packet{}
	if t.held = t.held[1:]; len(t.held) == 0 {
		t.held = nil
	}
	return nil
}

// read reads the next packet. While it is sought which tracks there are, it
// also returns without a payload, as soon as that may be settled.
func (t *Reader) read(p *media.Packet, seeking bool) error {
	for {
		if s := t.ready; s != nil {
			if s.next(p) {
				p.Track = s.id
				return nil
			}
			t.ready = nil
			if seeking {
				return nil
			}
		}
		if t.err != nil {
			return t.err
		}
		if err := t.step(); err != nil {
			t.err = err
		} else if seeking && t.packets.read > mostSearched {
			return nil
		}
	}
}

// step uses the next packet of the stream; at the end of the source, the stream
// that is next in order.
func (t *Reader) step() error {
	if !t.waiting && t.ended == nil {
		t.ended = t.fetch()
	}
	if t.ended != nil && !t.waiting {
		return t.finish()
	}
	t.waiting = false
	h := t.current
	s := t.streams[h.pid]
	if s == nil {
		t.table(h)
		return nil
	}
	if s.ends(h) {
		s.end(h)
		t.ready, t.waiting = s, true
		return nil
	}
	s.feed(h)
	if s.whole() {
		s.end(header{})
		t.ready = s
	}
	return nil
}

// fetch reads the next packet, and compares its counter.
func (t *Reader) fetch() error {
	for {
		b, err := t.packets.next()
		if err != nil {
			return err
		}
		h := parseHeader(b)
		if h.pid == nullPID {
			continue
		}
		t.current = h
		s := t.streams[h.pid]
		if s == nil {
			return nil
		}
		if h.damaged {
			t.lost++
			s.lose()
			s.counter = -1
			continue
		}
		s.secret = s.secret || h.scrambled
		if len(h.payload) == 0 {
			if h.discontinuous {
				s.counter = -1
			}
			continue
		}
		ok, again := s.follows(h)
		if again {
			continue
		}
		if s.counter = h.counter; !ok {
			t.lost++
			s.lose()
		}
		return nil
	}
}

// finish ends the streams one after the other, and then the source.
func (t *Reader) finish() error {
	for ; t.ending < len(t.order); t.ending++ {
		if s := t.order[t.ending]; s.open {
			s.end(header{})
			t.ready = s
			return nil
		}
	}
	if errors.Is(t.ended, io.EOF) {
		return io.EOF
	}
	if errors.Is(t.ended, errSearched) {
		return errSearched
	}
	return fmt.Errorf("mpegts: reading the source: %w", t.ended)
}

var _ media.Reader = (*Reader)(nil)
