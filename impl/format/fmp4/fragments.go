package fmp4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// fragments reads the packets of a fragmented file, one fragment after the other.
type fragments struct {
	in      *stream
	headers []*cmaf.Header
	configs []config // that the next packets of their tracks tell of

	// What is read of the next fragment. The buffers are used again.
	fragment cmaf.Fragment
	begun    bool // its moof is there, its samples are not open

	open []cmaf.Samples
	err  error // what follows the samples that are open
}

// A config is a description that has changed.
type config struct {
	track       int
	description []byte
}

func (f *fragments) next(p *media.Packet) error {
	for {
		if len(f.open) > 0 {
			if ok, err := f.nextSample(p); ok || err != nil {
				return err
			}
			continue
		}
		if f.err == nil {
			f.err = f.read()
		}
		if f.err == nil {
			continue
		}
		if !f.begun {
			return f.err
		}
		if err := f.openSamples(); err != nil { // some may be there as a whole
			f.err = err
		}
	}
}

// nextSample takes the sample that is decoded first. It reports false if the
// track that it would be of has no more.
func (f *fragments) nextSample(p *media.Packet) (ok bool, err error) {
	first := 0
	if len(f.open) > 1 {
		at := f.open[0].Time()
		for i := range f.open[1:] {
			if t := f.open[i+1].Time(); t < at {
				first, at = i+1, t
			}
		}
	}
	room := p.Payload[:0]
	ok, err = f.open[first].Next(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		// Other tracks may have more that is whole.
		switch f.err {
		case nil:
			f.err = fmt.Errorf("%w: a sample lies outside the mdat of its fragment", cmaf.ErrMalformed)
		case io.EOF:
			f.err = fmt.Errorf("the file ends between a moof and its mdat: %w", err)
		}
		ok, err = false, nil
	}
	if err != nil {
		return false, err
	}
	if !ok {
		p.Payload = room
		f.open = append(f.open[:first], f.open[first+1:]...)
		return false, nil
	}
	p.Payload = append(room, p.Payload...)
	for i, c := range f.configs {
		if c.track == p.Track {
			p.Config = c.description
			f.configs = append(f.configs[:i], f.configs[i+1:]...)
			break
		}
	}
	return true, nil
}

// read reads the next box. Its error is [io.EOF] at the end.
func (f *fragments) read() error {
	at := f.in.at
	h, err := f.in.peek()
	if err != nil {
		return err
	}
	name := string(h.Name[:])
	if name == "moof" && f.begun { // no mdat follows the last one, so it has no samples
		return f.openSamples()
	}
	f.in.take(h)
	switch {
	case name == "moof":
		f.fragment.Moof, err = f.in.body(f.fragment.Moof, h, maxFragment)
		f.fragment.MoofAt, f.fragment.Mdat = at, f.fragment.Mdat[:0]
		f.begun = err == nil
	case name == "mdat" && f.begun:
		f.fragment.MdatAt = f.in.at
		if f.fragment.Mdat, err = f.in.body(f.fragment.Mdat, h, maxFragment); err == nil {
			err = f.openSamples()
		}
	case name == "moov":
		var moov []byte
		if moov, err = f.in.body(nil, h, maxHeader); err == nil {
			err = f.describe(moov)
		}
	default:
		err = f.in.skip(h)
	}
	return err
}

// openSamples begins with the samples of the fragment.
func (f *fragments) openSamples() (err error) {
	f.begun = false
	f.open, err = f.fragment.AppendSamples(f.open[:0], f.header)
	if err != nil {
		f.open = f.open[:0]
	}
	return err
}

// header returns the header of a track that is read.
func (f *fragments) header(trackID uint32, _ bool) *cmaf.Header {
	for _, h := range f.headers {
		if h.TrackID == trackID {
			return h
		}
	}
	return nil
}

// describe takes another moov, which describes the same tracks anew.
func (f *fragments) describe(moov []byte) error {
	movie, err := cmaf.ParseMovie(moov)
	if err != nil {
		return err
	}
	for i, old := range f.headers {
		h := movie.Header(old.TrackID)
		if h == nil || (h.Track.Video == nil) != (old.Track.Video == nil) {
			continue
		}
		f.headers[i] = h
		if d := description(h.Track); !bytes.Equal(d, description(old.Track)) {
			f.configs = slices.DeleteFunc(f.configs, func(c config) bool { return c.track == h.Track.ID })
			f.configs = append(f.configs, config{h.Track.ID, d})
		}
	}
	return nil
}

// description returns that of a track.
func description(t media.Track) []byte {
	switch {
	case t.Video != nil:
		return t.Video.Description
	case t.Audio != nil:
		return t.Audio.Description
	}
	return nil
}
