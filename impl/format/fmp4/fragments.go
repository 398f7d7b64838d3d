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

	// Some files have their first samples outside fragments, in an mdat that
	// follows the moov.
	leads bool   // that mdat is to come
	lead  *plain // it is being read

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

func newFragments(in *stream, headers []*cmaf.Header) (*fragments, error) {
	f := &fragments{in: in, headers: headers}
	for _, h := range headers {
		table, err := newTable(h.SampleTable)
		if err != nil {
			return nil, err
		}
		f.leads = f.leads || table.left > 0
	}
	if !f.leads {
		f.forget()
	}
	return f, nil
}

// forget lets go of the tables of the moov.
func (f *fragments) forget() {
	f.lead = nil
	for _, h := range f.headers {
		h.SampleTable = nil
	}
}

func (f *fragments) next(p *media.Packet) error {
	for {
		if f.lead != nil {
			err := f.lead.next(p)
			if err != io.EOF {
				return err
			}
			f.forget()
		}
		if len(f.open) > 0 {
			if ok, err := f.nextSample(p); ok || err != nil {
				return err
			}
			continue
		}
		if f.err == nil {
			f.err = f.read()
		}
		if f.err == nil || f.lead != nil {
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
	if err == io.EOF && f.leads {
		err = fmt.Errorf("no mdat follows the moov, which tells of samples in it: %w", io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	name := string(h.Name[:])
	if name == "moof" && f.begun { // no mdat follows the last one, so it has no samples
		return f.openSamples()
	}
	f.in.take(h)
	switch {
	case name == "moof" && f.leads:
		err = fmt.Errorf("%w: no mdat follows the moov, which tells of samples in it", cmaf.ErrMalformed)
	case name == "moof":
		f.fragment.Moof, err = f.in.body(f.fragment.Moof, h, maxFragment)
		f.fragment.MoofAt, f.fragment.Mdat = at, f.fragment.Mdat[:0]
		f.begun = err == nil
	case name == "mdat" && f.leads:
		err = f.readLead(h)
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

// readLead reads the mdat of the samples that the moov tells of. What of it is
// there as a whole comes before an error.
func (f *fragments) readLead(h cmaf.BoxHeader) (err error) {
	f.leads = false
	at := f.in.at
	f.fragment.Mdat, err = f.in.body(f.fragment.Mdat, h, maxFragment)
	data := f.fragment.Mdat
	lead, invalid := newPlain(bytes.NewReader(data), -at, at+int64(len(data)), f.headers)
	if invalid != nil {
		return invalid
	}
	f.lead = lead
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
		h.SampleTable = nil
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
