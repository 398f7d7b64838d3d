package fmp4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// ErrNewFile is wrapped by the error of a packet whose [media.Packet].Config one
// file cannot hold: sound that changes its form, or pictures whose NAL units have
// lengths of another size. The writer is at its end; a new one, of a new file,
// takes the packet.
var ErrNewFile = errors.New("fmp4: what follows needs a file of its own")

// A Config says how a file is written. The zero value is good.
type Config struct {
	// Brand is the major brand of the file, of four characters; "" is "iso6".
	Brand string

	// FragmentDuration is how long a fragment lasts at most. 0: 10 s.
	FragmentDuration time.Duration

	// FragmentBytes is how much is held for the fragment that is being
	// gathered, 1 GiB at most. 0: 16 MiB. A packet that is larger is written
	// by itself.
	FragmentBytes int
}

const (
	defaultDuration = 10 * time.Second
	defaultBytes    = 16 << 20

	// soundDuration is how long a fragment lasts at least in a file without
	// pictures, all of whose packets are key frames.
	soundDuration = time.Second

	// packetCost is what is held of a packet beside its payload.
	packetCost = 128
)

// A Writer writes packets as a fragmented MP4. It is a [media.Writer]. One
// goroutine at a time may use it.
//
// It writes a fragment when a key frame of the first track of pictures begins the
// next, and at the bounds of [Config]. Each track has a moof of its own in it, as
// frames of CMAF have: all players take that, and those who split a file by track
// need not build it anew. What was written plays, whatever happens to the writer.
//
// Times are written as they are. If the first fragment has some below 0, all
// are written later by that, and an edit list says so. A packet lasts until the
// next one of its track is decoded, so that a gap is filled by the packet before
// it; the last of a track lasts as its Duration says, or as the one before.
//
// A [media.Packet].Config that changes pictures of AVC or HEVC is written twice:
// as another moov, for players that take initialization segments as they come,
// and from there on before each key frame, for those that have read the first
// moov once and for all, as ffmpeg does.
type Writer struct {
	w      io.Writer
	config Config

	tracks []*outTrack
	lead   *outTrack // its key frames begin fragments
	held   int       // bytes of all tracks
	seq    uint32    // of the last fragment
	begun  bool      // the moov was written
	failed bool      // the file is broken off
	closed bool
	head   []byte // room for a moof
	err    error  // of all calls from now on
}

// An outTrack is a track of the file, and what is held of it.
type outTrack struct {
	header   *cmaf.Header
	packets  []media.Packet
	sizes    []int
	payloads []byte
	decoded  time.Duration // when the last packet is
	lasts    time.Duration // how long the last packet lasted that was written
	any      bool          // that there was one

	// Parameter sets that come before key frames, and the bytes of the length of
	// each NAL unit.
	inBand     []byte
	lengthSize int
}

// NewWriter returns a writer of the tracks to w, to which it writes when the first
// fragment is full. A track of AVC or HEVC without a description needs one in its
// first packet, as the Config. config may be nil.
func NewWriter(w io.Writer, tracks []media.Track, config *Config) (*Writer, error) {
	out := &Writer{w: w}
	if config != nil {
		out.config = *config
	}
	if out.config.Brand == "" {
		out.config.Brand = "iso6"
	}
	if out.config.FragmentDuration <= 0 {
		out.config.FragmentDuration = defaultDuration
	}
	if out.config.FragmentBytes <= 0 {
		out.config.FragmentBytes = defaultBytes
	}
	out.config.FragmentBytes = min(out.config.FragmentBytes, 1<<30) // moof and mdat say sizes in 32 bits
	if len(tracks) == 0 {
		return nil, errors.New("fmp4: a file without tracks")
	}
	for i, t := range tracks {
		if out.track(t.ID) != nil {
			return nil, fmt.Errorf("fmp4: two tracks have the ID %d", t.ID)
		}
		h := cmaf.NewHeader(own(t), 0)
		h.TrackID = uint32(i + 1)
		if t.Audio != nil || description(t) != nil || nalOf(t) == nil {
			if _, err := cmaf.MovieBox([]*cmaf.Header{h}); err != nil {
				return nil, fmt.Errorf("fmp4: %w", err)
			}
		}
		track := &outTrack{header: h}
		out.tracks = append(out.tracks, track)
		if out.lead == nil || out.lead.header.Track.Video == nil && t.Video != nil {
			out.lead = track
		}
	}
	if _, err := cmaf.FileType(out.config.Brand); err != nil {
		return nil, fmt.Errorf("fmp4: %w", err)
	}
	return out, nil
}

// own copies what of a track is changed here.
func own(t media.Track) media.Track {
	if t.Video != nil {
		v := *t.Video
		t.Video = &v
	}
	if t.Audio != nil {
		a := *t.Audio
		t.Audio = &a
	}
	return t
}

func (w *Writer) track(id int) *outTrack {
	for _, t := range w.tracks {
		if t.header.Track.ID == id {
			return t
		}
	}
	return nil
}

// WritePacket implements [media.Writer]. It blocks while a fragment is written.
func (w *Writer) WritePacket(p *media.Packet) error {
	if w.err == nil {
		w.err = w.write(p)
	}
	return w.err
}

func (w *Writer) write(p *media.Packet) error {
	t := w.track(p.Track)
	if t == nil {
		return fmt.Errorf("fmp4: a packet of track %d, of which the file has none", p.Track)
	}
	if len(p.Payload) == 0 {
		return fmt.Errorf("fmp4: a packet of track %d without a payload, at %v", p.Track, p.PTS)
	}
	if t.any && p.DTS < t.decoded {
		return fmt.Errorf("fmp4: a packet of track %d is decoded at %v, before the last one at %v", p.Track, p.DTS, t.decoded)
	}
	changes := p.Config != nil && !bytes.Equal(p.Config, description(t.header.Track))
	if changes && t.any || w.full(t, p) {
		if err := w.flush(t, p.DTS); err != nil {
			return err
		}
	}
	if changes {
		if err := w.change(t, p.Config); err != nil {
			return err
		}
	}
	w.hold(t, p, changes)
	return nil
}

// full reports whether what is held is to be written before p.
func (w *Writer) full(t *outTrack, p *media.Packet) bool {
	if w.held == 0 {
		return false
	}
	var span time.Duration
	if len(t.packets) > 0 {
		span = p.DTS - t.packets[0].DTS
	}
	if w.held+len(p.Payload)+packetCost > w.config.FragmentBytes || span >= w.config.FragmentDuration {
		return true
	}
	if t != w.lead || len(t.packets) == 0 {
		return false
	}
	if t.header.Track.Video == nil {
		return span >= soundDuration
	}
	return p.Key
}

// hold keeps a copy of p.
func (w *Writer) hold(t *outTrack, p *media.Packet, changes bool) {
	before := len(t.payloads)
	if t.inBand != nil && (p.Key || changes) {
		t.payloads = t.appendInBand(t.payloads, p.Payload)
	} else {
		t.payloads = append(t.payloads, p.Payload...)
	}
	t.packets = append(t.packets, media.Packet{PTS: p.PTS, DTS: p.DTS, Duration: p.Duration, Key: p.Key})
	t.sizes = append(t.sizes, len(t.payloads)-before)
	t.any, t.decoded = true, p.DTS
	w.held += len(t.payloads) - before + packetCost
}

// Close implements [media.Writer]: it writes what is held, also after a packet
// that could not be taken, of which it returns the error again.
func (w *Writer) Close() error {
	err := w.err
	if !w.failed && !w.closed {
		w.closed = true
		err = errors.Join(err, w.flush(nil, 0))
	}
	if w.err = err; err == nil {
		w.err = errors.New("fmp4: the writer is closed")
	}
	return err
}
