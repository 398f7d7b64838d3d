package cmaf

import (
	"fmt"

	"github.com/moqlite/moqlite/api/media"
)

// ParseFragment calls f for each sample of h's track in b, which is a moof and
// its mdat, in decoding order. Other boxes at the top are skipped, and a fragment
// of one track is h's, whatever the ID is that it has. The packet is f's until it
// returns; its payload aliases b. An error of f ends it and is returned.
func ParseFragment(b []byte, h *Header, f func(*media.Packet) error) error {
	fragment, err := cutOut(b)
	if err != nil {
		return err
	}
	var room [2]Samples
	tracks, err := fragment.AppendSamples(room[:0], func(trackID uint32, alone bool) *Header {
		if trackID == h.TrackID || alone {
			return h
		}
		return nil
	})
	if err != nil {
		return err
	}
	var p media.Packet
	for i := range tracks {
		for {
			ok, err := tracks[i].Next(&p)
			if err == nil && ok {
				err = f(&p)
			}
			if err != nil {
				return err
			}
			if !ok {
				break
			}
		}
	}
	return nil
}

// cutOut finds the boxes of a fragment that does not lie in its file.
func cutOut(b []byte) (*Fragment, error) {
	f := Fragment{CutOut: true}
	for rest := b; len(rest) > 0; {
		x, next, err := NextBox(rest)
		if err != nil {
			return nil, err
		}
		switch {
		case string(x.Name) == "moof" && f.Moof == nil:
			f.Moof, f.MoofAt = x.Body, int64(len(b)-len(rest))
		case string(x.Name) == "mdat" && f.Mdat == nil:
			f.Mdat, f.MdatAt = x.Body, int64(len(b)-len(next)-len(x.Body))
		}
		rest = next
	}
	if f.Moof == nil {
		return nil, malformed("no moof in a fragment of %d bytes", len(b))
	}
	return &f, nil
}

// A Fragment is the body of a moof, and what its samples lie in.
type Fragment struct {
	Moof   []byte // body of the moof
	MoofAt int64  // where the moof begins in the file
	Mdat   []byte // body of the mdat, as far as it is there
	MdatAt int64  // where that body begins in the file

	// CutOut says that positions do not count from the beginning of the file.
	// Where a traf says a position in the file, the beginning of the moof is
	// taken for it, which is what writers mean.
	CutOut bool
}

// AppendSamples appends the samples of each traf that header knows. header is
// told the ID of the traf's track, and whether the traf is alone in the moof; it
// returns nil for a track that is to be left out.
func (f *Fragment) AppendSamples(dst []Samples, header func(trackID uint32, alone bool) *Header) ([]Samples, error) {
	_, others, err := nextNamed(f.Moof, "traf")
	if err != nil {
		return dst, err
	}
	second, _, err := nextNamed(others, "traf")
	if err != nil {
		return dst, err
	}
	end := f.MoofAt
	for rest := f.Moof; ; {
		var traf []byte
		if traf, rest, err = nextNamed(rest, "traf"); err != nil || traf == nil {
			return dst, err
		}
		s := Samples{mdat: f.Mdat, mdatAt: f.MdatAt, origin: end}
		id, err := s.parseHead(traf, f)
		if err != nil {
			return dst, err
		}
		if s.header = header(id, second == nil); s.header != nil {
			s.inherit(s.header.defaults)
			if s.description > 1 {
				return dst, fmt.Errorf("cmaf: a fragment of track %d has the sample description %d; only the first of a track is read", id, s.description)
			}
		}
		if end, err = s.measure(); err != nil {
			return dst, err
		}
		if s.header != nil {
			dst = append(dst, s)
		}
	}
}
