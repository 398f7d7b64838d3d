package fmp4

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// nalOf returns the codec of a track whose packets are NAL units, or nil.
func nalOf(t media.Track) *codec.NAL {
	if t.Video == nil {
		return nil
	}
	nal := codec.AVC
	switch entry, _, _ := strings.Cut(t.Video.Codec, "."); entry {
	case "avc1", "avc3":
	case "hvc1", "hev1":
		nal = codec.HEVC
	default:
		return nil
	}
	return &nal
}

// change takes another description of a track, which holds from the next packet
// on. What came before it has been written.
func (w *Writer) change(t *outTrack, description []byte) error {
	description = bytes.Clone(description)
	track := t.header.Track
	nal := nalOf(track)
	switch {
	case nal != nil:
		return w.changeNAL(t, *nal, description)
	case track.Video != nil: // its key frames say all that players need
		track.Video.Description = description
	case w.begun:
		return fmt.Errorf("%w: the sound of track %d changes to %x", ErrNewFile, track.ID, description)
	default:
		track.Audio.Description = description
	}
	return nil
}

// changeNAL is change for AVC and HEVC.
func (w *Writer) changeNAL(t *outTrack, nal codec.NAL, description []byte) error {
	video := t.header.Track.Video
	parsed, err := nal.ParseConfiguration(description)
	if err != nil {
		return fmt.Errorf("fmp4: the description of track %d: %w", t.header.Track.ID, err)
	}
	if old, err := nal.ParseConfiguration(video.Description); w.begun && (err != nil || old.LengthSize != parsed.LengthSize) {
		return fmt.Errorf("%w: lengths of %d bytes in track %d", ErrNewFile, parsed.LengthSize, t.header.Track.ID)
	}
	video.Description = description
	if len(parsed.SPS) > 0 {
		if v, err := nal.ParseSPS(parsed.SPS[0]); err == nil {
			video.CodedSize, video.DisplayAspect = v.Size, v.Aspect
			video.Codec = entryOf(nal, w.begun, video.Codec) + "." + v.Profile
		}
	}
	if !w.begun {
		return nil
	}
	t.inBand, t.lengthSize = t.inBand[:0], parsed.LengthSize
	for _, sets := range [][][]byte{parsed.VPS, parsed.SPS, parsed.PPS} {
		for _, unit := range sets {
			if len(unit)>>(8*t.lengthSize) != 0 {
				return fmt.Errorf("%w: parameter sets of %d bytes in track %d", ErrNewFile, len(unit), t.header.Track.ID)
			}
			t.inBand = appendUnit(t.inBand, unit, t.lengthSize)
		}
	}
	return w.writeMovie(nil)
}

// entryOf returns the sample entry of a track whose parameter sets are in its
// packets, if they are, or the one that it has.
func entryOf(nal codec.NAL, inBand bool, name string) string {
	if inBand && nal == codec.AVC {
		return "avc3"
	} else if inBand {
		return "hev1"
	}
	entry, _, _ := strings.Cut(name, ".")
	return entry
}

// appendUnit appends a NAL unit after its length in size bytes.
func appendUnit(dst, unit []byte, size int) []byte {
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(len(unit)>>(8*i)))
	}
	return append(dst, unit...)
}

// appendInBand appends a key frame behind the parameter sets that it needs. A
// delimiter, where there is one, stays the first of its units.
func (t *outTrack) appendInBand(dst, payload []byte) []byte {
	nal, rest := *nalOf(t.header.Track), payload
	for unit, err := range codec.LengthPrefixed(payload, t.lengthSize) {
		if n := t.lengthSize + len(unit); err == nil && nal.Delimiter(unit) {
			dst, rest = append(dst, payload[:n]...), payload[n:]
		}
		break
	}
	return append(append(dst, t.inBand...), rest...)
}
