package fmp4

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// plain reads the packets of a file that is not fragmented, where the tables of
// its moov say that they lie, in the order of their decoding times.
type plain struct {
	file   io.ReadSeeker
	start  int64 // where the file begins
	size   int64 // where it ends, counted from there
	window int64 // how much is read ahead of a track
	tracks []*plainTrack
}

// A plainTrack is a track of such a file, and what was read ahead of it.
type plainTrack struct {
	header *cmaf.Header
	table  *table

	next sample
	at   time.Duration // when it is decoded

	ahead   []byte // what was read
	aheadAt int64  // where it begins
}

// readAhead is how many bytes of the file are held, of all tracks together.
const readAhead = 512 << 10

// newPlain reads the samples of the headers' tables from a file that begins at
// start of the seeker, and ends at size.
func newPlain(file io.ReadSeeker, start, size int64, headers []*cmaf.Header) (*plain, error) {
	f := &plain{file: file, start: start, size: size, window: min(int64(readAhead/len(headers)), size)}
	for _, h := range headers {
		table, err := newTable(h.SampleTable)
		if err != nil {
			return nil, err
		}
		t := &plainTrack{header: h, table: table}
		ok, err := t.advance()
		if err != nil {
			return nil, err
		}
		if ok {
			f.tracks = append(f.tracks, t)
		}
	}
	return f, nil
}

// advance goes to the next sample of the track.
func (t *plainTrack) advance() (ok bool, err error) {
	for {
		t.next, ok, err = t.table.next()
		if err != nil || !ok {
			return false, err
		}
		if t.next.size == 0 {
			continue
		}
		t.at, ok = t.time(t.next.dts)
		return ok, overflow(ok)
	}
}

// time converts a time of the track.
func (t *plainTrack) time(ticks int64) (time.Duration, bool) {
	return cmaf.ToDuration(ticks+t.header.Shift, t.header.Timescale)
}

func overflow(ok bool) error {
	if !ok {
		return errors.New("a time is further away than can be said")
	}
	return nil
}

func (f *plain) next(p *media.Packet) error {
	if len(f.tracks) == 0 {
		return io.EOF
	}
	first := 0
	for i, t := range f.tracks {
		if t.at < f.tracks[first].at {
			first = i
		}
	}
	t := f.tracks[first]
	s := t.next
	end, ok1 := t.time(s.dts + int64(s.duration))
	shown, ok2 := t.time(s.dts + int64(s.composition))
	if err := overflow(ok1 && ok2); err != nil {
		return err
	}
	payload, err := f.read(t, p.Payload[:0], s)
	if err != nil {
		return err
	}
	*p = media.Packet{Track: t.header.Track.ID, PTS: shown, DTS: t.at, Duration: end - t.at,
		Key: s.key || t.header.Track.Video == nil, Payload: payload}
	ok, err := t.advance()
	if err == nil && !ok {
		f.tracks = append(f.tracks[:first], f.tracks[first+1:]...)
	}
	return err
}

// read appends the data of a sample to b.
func (f *plain) read(t *plainTrack, b []byte, s sample) ([]byte, error) {
	from := s.offset - t.aheadAt
	if from < 0 || from+int64(s.size) > int64(len(t.ahead)) {
		if s.offset+int64(s.size) > f.size {
			return b, fmt.Errorf("a sample ends at %d, behind the end of the file at %d: %w", s.offset+int64(s.size), f.size, io.ErrUnexpectedEOF)
		}
		if _, err := f.file.Seek(f.start+s.offset, io.SeekStart); err != nil {
			return b, err
		}
		if int64(s.size) > f.window {
			b = slices.Grow(b, int(s.size))[:s.size]
			_, err := io.ReadFull(f.file, b)
			return b, unexpected(err)
		}
		if t.ahead == nil {
			t.ahead = make([]byte, f.window)
		}
		n, err := io.ReadFull(f.file, t.ahead[:min(f.window, f.size-s.offset)])
		if t.ahead, t.aheadAt = t.ahead[:n], s.offset; err != nil {
			return b, unexpected(err)
		}
		from = 0
	}
	return append(b, t.ahead[from:from+int64(s.size)]...), nil
}

// unexpected is err, where the end of the file is none that it had before.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
