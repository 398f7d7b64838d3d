package cmaf

import (
	"fmt"
	"math"
	"slices"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/moqlite/moqlite/api/media"
)

// Init writes the initialization segment of a track: ftyp, and moov with that one
// trak and its trex. timescale 0 is Timescale(t). It is [ParseInit]'s, and
// NewHeader(t, timescale) writes fragments for it.
func Init(t media.Track, timescale uint32) ([]byte, error) {
	moov, err := MovieBox([]*Header{NewHeader(t, timescale)})
	if err != nil {
		return nil, err
	}
	ftyp, err := FileType("iso6", "cmfc", "mp41")
	return append(ftyp, moov...), err
}

// FileType returns an ftyp box of a brand and of others that it is compatible
// with, each of four characters.
func FileType(brand string, compatible ...string) ([]byte, error) {
	if !slices.Contains(compatible, brand) {
		compatible = append([]string{brand}, compatible...)
	}
	for _, b := range compatible {
		if len(b) != 4 {
			return nil, fmt.Errorf("cmaf: the brand %q has not four characters", b)
		}
	}
	return encode(mp4.NewFtyp(brand, 512, compatible))
}

// MovieBox returns the moov box of a file whose fragments are written with the
// headers. A Shift becomes an edit list.
func MovieBox(headers []*Header) ([]byte, error) {
	moov := mp4.NewMoovBox()
	mvhd := mp4.CreateMvhd()
	mvhd.Timescale = 1000
	mvex := mp4.NewMvexBox()
	moov.AddChild(mvhd)
	for _, h := range headers {
		trak, err := newTrak(h)
		if err != nil {
			return nil, fmt.Errorf("cmaf: describe track %d: %w", h.Track.ID, err)
		}
		moov.AddChild(trak)
		mvex.AddChild(mp4.CreateTrex(h.TrackID))
		mvhd.NextTrackID = max(mvhd.NextTrackID, h.TrackID+1)
	}
	moov.AddChild(mvex)
	return encode(moov)
}

// newTrak builds the trak of a track.
func newTrak(h *Header) (*mp4.TrakBox, error) {
	kind := "audio"
	if h.Track.Video != nil {
		kind = "video"
	} else if h.Track.Audio == nil {
		return nil, fmt.Errorf("it has neither pictures nor sound")
	}
	entry, err := newEntry(&h.Track)
	if err != nil {
		return nil, err
	}
	if h.TrackID == 0 || h.Timescale == 0 {
		return nil, fmt.Errorf("its ID is %d and its timescale %d; both are above 0", h.TrackID, h.Timescale)
	}
	trak := mp4.CreateEmptyTrak(h.TrackID, h.Timescale, kind, "und")
	trak.Tkhd.Flags = 3 // enabled, in the movie
	if v := h.Track.Video; v != nil {
		width, height := displaySize(v)
		trak.Tkhd.Width, trak.Tkhd.Height = mp4.Fixed32(width<<16), mp4.Fixed32(height<<16)
	}
	trak.Mdia.Minf.Stbl.Stsd.AddChild(entry)
	if h.Shift != 0 {
		edts := &mp4.EdtsBox{}
		edts.AddChild(newEdits(h))
		trak.AddChild(edts)
	}
	return trak, nil
}

// newEdits says the shift of a track: an empty edit if it begins later, and
// where the media begins if it begins earlier.
func newEdits(h *Header) *mp4.ElstBox {
	media := mp4.ElstEntry{MediaTime: max(0, -h.Shift), MediaRateInteger: 1}
	elst := &mp4.ElstBox{Version: 1}
	if h.Shift > 0 {
		wait, _ := scale(h.Shift, 1000, uint64(h.Timescale))
		elst.Entries = append(elst.Entries, mp4.ElstEntry{SegmentDuration: uint64(wait), MediaTime: -1, MediaRateInteger: 1})
	}
	elst.Entries = append(elst.Entries, media)
	return elst
}

// displaySize returns the size in which pictures are shown: their height as it is
// coded, and the width that the aspect makes of it.
func displaySize(v *media.VideoRendition) (width, height int) {
	width, height = v.CodedSize.Width, v.CodedSize.Height
	if a := v.DisplayAspect; a.Width > 0 && a.Height > 0 {
		width = int(min(int64(height)*int64(a.Width)/int64(a.Height), math.MaxUint16))
	}
	return width, height
}
