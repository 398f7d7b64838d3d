package cmaf

import (
	"fmt"
	"math"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/moqlite/moqlite/api/media"
)

// A Header is what an initialization segment says of a track, and all that is
// needed to read and to write its fragments. What it points to is its own.
type Header struct {
	// Track is the track as a source tells it. Its ID, which packets have in
	// their Track, is the TrackID when it was read; it may be set to another.
	Track media.Track

	// TrackID is the track's number in the file, above 0.
	TrackID uint32

	// Timescale is how many units of its times make a second, above 0.
	Timescale uint32

	// Shift is what is added to the track's times to get those of its packets,
	// in units of Timescale. An edit list says it to files, and players of
	// CMAF frames ignore edit lists: ParseInit leaves it at 0.
	Shift int64

	// SampleTable is the body of the stbl box: of the samples that lie outside
	// fragments. It aliases what was parsed; of an initialization segment, which
	// has no such samples, it is nil.
	SampleTable []byte

	defaults defaults
}

// Defaults of samples whose fragment does not say it.
type defaults struct{ description, duration, size, flags uint32 }

// NewHeader returns the header by which fragments of t are written, of an
// initialization segment that Init wrote. timescale 0 is Timescale(t).
func NewHeader(t media.Track, timescale uint32) *Header {
	if timescale == 0 {
		timescale = Timescale(t)
	}
	return &Header{Track: t, TrackID: 1, Timescale: timescale}
}

// ParseInit reads an initialization segment, which has one track. Of an edit
// list it tells nothing, for players ignore it.
func ParseInit(b []byte) (*Header, error) {
	moov, err := need(b, "moov", "initialization segment")
	if err != nil {
		return nil, err
	}
	m, err := ParseMovie(moov)
	if err != nil {
		return nil, err
	}
	if n := len(m.Headers) + len(m.Ignored); n != 1 {
		return nil, malformed("%d tracks in an initialization segment", n)
	}
	if len(m.Headers) == 0 {
		return nil, m.Ignored[0]
	}
	m.Headers[0].Shift, m.Headers[0].SampleTable = 0, nil
	return m.Headers[0], nil
}

// A Movie is what a moov box says.
type Movie struct {
	// Headers has the tracks of pictures and of sound, in the order of the
	// file. Their track IDs differ.
	Headers []*Header

	// Ignored says of each other track what it is or what is wrong with it.
	Ignored []error

	// Fragmented says that fragments follow.
	Fragmented bool
}

// maxTracks is how many tracks a movie may have.
const maxTracks = 256

// ParseMovie reads the body of a moov box.
func ParseMovie(moov []byte) (*Movie, error) {
	var m Movie
	mvex, fragmented, err := find(moov, "mvex")
	if err != nil {
		return nil, err
	}
	m.Fragmented = fragmented
	timescale, err := movieTimescale(moov)
	if err != nil {
		return nil, err
	}
	for rest := moov; len(rest) > 0; {
		var x Box
		if x, rest, err = NextBox(rest); err != nil {
			return nil, err
		}
		if string(x.Name) != "trak" {
			continue
		}
		if len(m.Headers)+len(m.Ignored) == maxTracks {
			return nil, malformed("more than %d tracks", maxTracks)
		}
		h, err := parseTrack(x.Body, timescale)
		if err == nil && m.Header(h.TrackID) != nil {
			err = malformed("track %d is there twice", h.TrackID)
		}
		if err != nil {
			m.Ignored = append(m.Ignored, fmt.Errorf("trak %d: %w", len(m.Headers)+len(m.Ignored)+1, err))
			continue
		}
		m.Headers = append(m.Headers, h)
	}
	return &m, m.extend(mvex)
}

// Header returns the header of a track, or nil.
func (m *Movie) Header(trackID uint32) *Header {
	for _, h := range m.Headers {
		if h.TrackID == trackID {
			return h
		}
	}
	return nil
}

// extend takes the defaults of samples from the trex boxes of mvex.
func (m *Movie) extend(mvex []byte) error {
	for len(mvex) > 0 {
		x, rest, err := NextBox(mvex)
		if err != nil {
			return err
		}
		mvex = rest
		if string(x.Name) != "trex" {
			continue
		}
		trex, err := decode[*mp4.TrexBox](x, mp4.DecodeTrexSR)
		if err != nil {
			return err
		}
		if h := m.Header(trex.TrackID); h != nil {
			h.defaults = defaults{trex.DefaultSampleDescriptionIndex, trex.DefaultSampleDuration, trex.DefaultSampleSize, trex.DefaultSampleFlags}
		}
	}
	return nil
}

// movieTimescale returns the timescale in which edits say their durations.
func movieTimescale(moov []byte) (uint32, error) {
	body, ok, err := find(moov, "mvhd")
	if err != nil || !ok {
		return 0, err
	}
	mvhd, err := decode[*mp4.MvhdBox](Box{[]byte("mvhd"), body}, mp4.DecodeMvhdSR)
	if err != nil {
		return 0, err
	}
	return mvhd.Timescale, nil
}

// parseTrack reads the body of a trak box.
func parseTrack(trak []byte, movieTimescale uint32) (*Header, error) {
	var h Header
	body, err := need(trak, "tkhd", "trak")
	if err != nil {
		return nil, err
	}
	tkhd, err := decode[*mp4.TkhdBox](Box{[]byte("tkhd"), body}, mp4.DecodeTkhdSR)
	if err != nil {
		return nil, err
	}
	h.TrackID = tkhd.TrackID
	if h.TrackID == 0 || h.TrackID > math.MaxInt32 {
		return nil, malformed("the track ID %d", h.TrackID)
	}
	h.Track.ID = int(h.TrackID)
	if err := h.parseMedia(trak); err != nil {
		return nil, err
	}
	return &h, h.parseEdits(trak, movieTimescale)
}

// parseMedia reads the mdia box of a trak.
func (h *Header) parseMedia(trak []byte) error {
	mdia, err := need(trak, "mdia", "trak")
	if err != nil {
		return err
	}
	body, err := need(mdia, "mdhd", "mdia")
	if err != nil {
		return err
	}
	mdhd, err := decode[*mp4.MdhdBox](Box{[]byte("mdhd"), body}, mp4.DecodeMdhdSR)
	if err != nil {
		return err
	}
	if h.Timescale = mdhd.Timescale; h.Timescale == 0 {
		return malformed("track %d has the timescale 0", h.TrackID)
	}
	minf, err := need(mdia, "minf", "mdia")
	if err != nil {
		return err
	}
	if h.SampleTable, err = need(minf, "stbl", "minf"); err != nil {
		return err
	}
	stsd, err := need(h.SampleTable, "stsd", "stbl")
	if err != nil {
		return err
	}
	return h.parseDescriptions(stsd)
}

// parseDescriptions reads the first entry of an stsd box.
func (h *Header) parseDescriptions(stsd []byte) error {
	if len(stsd) < 8 {
		return malformed("an stsd of %d bytes", len(stsd))
	}
	entry, _, err := NextBox(stsd[8:])
	if err != nil {
		return err
	}
	return h.parseEntry(entry)
}

// parseEdits reads the edit list of a trak: how much later than time 0 its
// presentation begins, and at which of its own times. Further edits, which cut
// and repeat, are left out.
func (h *Header) parseEdits(trak []byte, movieTimescale uint32) error {
	edts, ok, err := find(trak, "edts")
	if err != nil || !ok {
		return err
	}
	body, ok, err := find(edts, "elst")
	if err != nil || !ok || len(body) > maxDecoded {
		return err
	}
	elst, err := decode[*mp4.ElstBox](Box{[]byte("elst"), body}, mp4.DecodeElstSR)
	if err != nil {
		return err
	}
	var late int64
	for _, e := range elst.Entries {
		if e.MediaTime >= 0 {
			h.Shift = late - min(e.MediaTime, maxShift)
			return nil
		}
		if movieTimescale > 0 {
			empty := int64(min(e.SegmentDuration, maxShift))
			wait, _ := scale(empty, uint64(h.Timescale), uint64(movieTimescale))
			late = min(late+wait, maxShift)
		}
	}
	return nil
}

// maxShift is how far an edit list may shift times: far enough for every real
// one, and not so far that sums overflow.
const maxShift = 1 << 48
