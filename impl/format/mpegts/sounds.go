package mpegts

import (
	"bytes"
	"errors"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// sounds makes a packet of each frame of sound. A frame may lie in several PES
// packets, and a PES packet may have many. The time of a PES packet is that of
// the first frame that begins in it; those behind it follow sample by sample.
type sounds struct {
	framer

	b     []byte // what is left of the PES packets before, and the last one
	at    int    // where the next frame begins in b
	mark  int    // where the last PES packet begins in b
	pts   int64  // of the frame that begins at or behind mark; unstated: there is none
	found bool   // a frame began where one was expected
	cut   bool   // what follows b is missing

	base    time.Duration // the last time that a PES packet told
	timed   bool          // base is known
	samples int64         // of the frames since base
	current frame         // the last frame: what the track is
	config  []byte        // its description
	known   bool          // current is
	lost    uint64
}

func newSounds(e entry) *sounds {
	s := &sounds{pts: unstated, found: true}
	switch e.kind {
	case adts:
		s.framer = adtsFrames{}
	case latm:
		s.framer = &latmFrames{}
	case opus:
		s.framer = newOpusFrames(e.channels)
	case ac3:
		s.framer = headers{parse: codec.ParseAC3, first: 0x0b}
	default:
		s.framer = headers{parse: codec.ParseMPEG, first: 0xff}
	}
	return s
}

func (*sounds) beginsPicture([]byte) bool { return false }

func (s *sounds) dropped() uint64 { return s.lost }

func (s *sounds) take(p pes) []byte {
	s.b = append(s.b[:0], s.b[s.at:]...)
	s.mark, s.at = len(s.b), 0
	s.b = append(s.b, p.data...)
	s.pts, s.cut = p.pts, p.broken
	return p.data
}

func (s *sounds) next(p *media.Packet) bool {
	for s.at < len(s.b) {
		f, ok := s.whole()
		if !ok {
			return false
		}
		if f.size == 0 { // no frame begins here
			continue
		}
		at := s.at
		s.at += f.size
		if !s.time(at) {
			s.lost++
			continue
		}
		payload, ok := s.payload(&f, s.b[at:s.at])
		if !ok || len(payload) == 0 {
			s.lost++
			continue
		}
		p.Config = s.learn(f)
		p.PTS = s.base + ofSamples(s.samples, f.rate)
		s.samples += int64(f.samples)
		p.DTS, p.Duration = p.PTS, s.base+ofSamples(s.samples, f.rate)-p.PTS
		p.Key, p.Payload = true, append(p.Payload[:0], payload...)
		return true
	}
	return false
}

// whole returns the frame at s.at. false: it is not whole, and waits for the
// next PES packet; without a size: no frame begins there, and s.at has gone on.
func (s *sounds) whole() (frame, bool) {
	rest := s.b[s.at:]
	f, err := s.frame(rest)
	if err == nil && f.size <= len(rest) && !s.found {
		// After garbage, bytes in the midst of a frame may look like one: the
		// next one has to follow it.
		if _, next := s.frame(rest[f.size:]); next != nil && !errors.Is(next, codec.ErrMore) {
			err = next
		}
	}
	switch {
	case errors.Is(err, codec.ErrMore), err == nil && f.size > len(rest):
		if s.cut || len(rest) > maxFrame {
			s.lost++
			s.drop()
		}
		return frame{}, false
	case err != nil:
		if s.found {
			s.found = false
			s.lost++
		}
		s.at++
		if i := bytes.IndexByte(s.b[s.at:], s.sync()); i >= 0 {
			s.at += i
		} else {
			s.at = len(s.b)
		}
		return frame{}, true
	}
	s.found = true
	return f, true
}

// maxFrame is more than a frame of any kind has.
const maxFrame = 64 << 10

// drop forgets what is left of b.
func (s *sounds) drop() { s.at, s.found = len(s.b), false }

func (s *sounds) lose() {
	if s.at < len(s.b) {
		s.lost++
		s.drop()
	}
}

// time notes the time of the PES packet if the frame at at is the first that
// begins in it. false: no time is known.
func (s *sounds) time(at int) bool {
	if at >= s.mark && s.pts != unstated {
		s.base, s.samples, s.timed = toDuration(s.pts), 0, true
		s.pts = unstated
	}
	return s.timed
}

// learn returns the description that holds from this frame on, if that is not
// the one before.
func (s *sounds) learn(f frame) []byte {
	f.from, f.to, f.size = 0, 0, 0
	if s.known && f.rate != s.current.rate {
		s.base += ofSamples(s.samples, s.current.rate)
		s.samples = 0
	}
	if f.channels == 0 { // the header does not tell
		f.channels = s.current.channels
	}
	if s.known && f == s.current {
		return nil
	}
	description := s.description(f)
	changed := s.known && !bytes.Equal(description, s.config)
	s.current, s.config, s.known = f, description, true
	if changed {
		return description
	}
	return nil
}

func (s *sounds) describe(t *media.Track) bool {
	if !s.known || s.current.channels == 0 {
		return false
	}
	t.Audio = &media.AudioRendition{
		Codec: s.current.string(), Description: s.config,
		SampleRate: s.current.rate, Channels: s.current.channels,
	}
	return true
}
