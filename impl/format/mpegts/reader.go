package mpegts

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// What may be read before it is decided which tracks there are.
const (
	// silentFor is how much of the stream may pass before a track that is
	// announced, and has brought nothing that can be read, is left out.
	silentFor = 2 * time.Second

	// keylessFor is how long the first key frame may be waited for.
	keylessFor = 30 * time.Second

	mostSearched = 64 << 20 // bytes of the source
	mostHeld     = 16 << 20 // bytes of packets that wait for the decision
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
	streams map[int]*stream  // by PID
	order   []*stream        // as announced

	waiting bool    // the last packet has not been used yet
	current header  // of it
	ready   *stream // has packets
	ended   error   // of the source
	ending  int     // of order, when the source has ended
	err     error   // of all later calls

	tracks  []media.Track
	ignored []error
	held    []media.Packet
	lost    uint64 // packets of 188 bytes: how often some were missing
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
	return t, nil
}

// settled reports whether nothing more has to be read to know the tracks.
func (t *Reader) settled() bool {
	if t.packets.read > mostSearched {
		return true
	}
	if t.program == 0 {
		return false
	}
	for _, s := range t.order {
		var track media.Track
		patience := silentFor
		if s.heard && s.video() {
			patience = keylessFor
		}
		if !s.describe(&track) && t.clock.elapsed() < patience {
			return false
		}
	}
	return true
}

// decide makes tracks of the streams that are known, and forgets the others.
func (t *Reader) decide() error {
	order := t.order
	t.order = nil
	for _, s := range order {
		track := media.Track{ID: s.pid}
		switch {
		case s.describe(&track):
			t.order = append(t.order, s)
			t.tracks = append(t.tracks, track)
			continue
		case !s.heard:
			t.leave(s.entry, "silent")
		case s.video():
			t.leave(s.entry, "no key frame")
		default:
			t.leave(s.entry, "no frame that can be read")
		}
		delete(t.streams, s.pid)
	}
	if len(t.tracks) == 0 {
		return t.noTracks()
	}
	t.trim()
	return nil
}

func (t *Reader) leave(e entry, why string) {
	t.ignored = append(t.ignored, fmt.Errorf("%s (PID 0x%x): %s", e.name, e.pid, why))
}

func (t *Reader) noTracks() error {
	if t.err != nil && !errors.Is(t.err, io.EOF) {
		return t.err
	}
	switch {
	case t.packets.stride == 0:
		return fmt.Errorf("mpegts: no packets of a transport stream in %d bytes", t.packets.read)
	case len(t.ignored) > 0:
		return fmt.Errorf("mpegts: no track that can be read: %w", errors.Join(t.ignored...))
	}
	return fmt.Errorf("mpegts: no program in %d bytes", t.packets.read)
}

// trim drops the sound from before the first picture, where pictures were
// dropped that came before the first key frame.
func (t *Reader) trim() {
	for _, s := range t.order {
		v, ok := s.parser.(*pictures)
		if !ok || v.skipped == 0 {
			continue
		}
		for _, first := range t.held {
			if first.Track != s.pid {
				continue
			}
			kept := t.held[:0]
			for _, p := range t.held {
				if t.streams[p.Track].video() || p.PTS+p.Duration > first.PTS {
					kept = append(kept, p)
				}
			}
			t.held = kept
			return
		}
	}
}

// Tracks implements [media.Reader]. The ID of a track is its PID. Pictures have
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
	for len(t.held) > 0 {
		h := t.held[0]
		t.held[0] = media.Packet{}
		if t.held = t.held[1:]; len(t.held) == 0 {
			t.held = nil
		}
		if t.streams[h.Track] == nil {
			continue // it was left out
		}
		payload := append(p.Payload[:0], h.Payload...)
		*p = h
		p.Payload = payload
		return nil
	}
	return t.read(p, false)
}

// read reads the next packet. While it is sought which tracks there are, it
// also returns without a payload, as soon as that may be settled.
func (t *Reader) read(p *media.Packet, seeking bool) error {
	for {
		if s := t.ready; s != nil {
			if s.next(p) {
				p.Track = s.pid
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
	return fmt.Errorf("mpegts: reading the source: %w", t.ended)
}

// table reads what describes the programs.
func (t *Reader) table(h header) {
	if h.pid == 0 {
		t.pat.feed(h, func(b []byte) {
			for _, pid := range parsePAT(b) {
				if t.pmts[pid] == nil && len(t.pmts) < maxPrograms {
					t.pmts[pid] = &section{}
				}
			}
		})
		return
	}
	if pmt := t.pmts[h.pid]; pmt != nil {
		pmt.feed(h, func(b []byte) { t.announce(h.pid, b) })
	}
}

// announce takes the streams of the first program that has some that are known.
func (t *Reader) announce(pid int, pmt []byte) {
	if t.program != 0 {
		return
	}
	t.ignored = nil
	for _, e := range parsePMT(pmt) {
		if e.kind == unknown {
			t.leave(e, "not supported")
			continue
		}
		if t.streams[e.pid] == nil && e.pid != nullPID {
			t.streams[e.pid] = newStream(e, &t.clock)
			t.order = append(t.order, t.streams[e.pid])
		}
	}
	if len(t.order) > 0 {
		t.program = pid
	}
}

var _ media.Reader = (*Reader)(nil)
