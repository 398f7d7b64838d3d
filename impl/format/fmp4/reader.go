package fmp4

import (
	"errors"
	"fmt"
	"io"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// ErrNotFragmented is the error of an MP4 that is not fragmented, and comes from
// where nothing can be sought: a pipe. ffmpeg makes a fragmented one of it, with
// "-c copy -f mp4 -movflags +frag_keyframe+empty_moov+default_base_moof".
var ErrNotFragmented = errors.New("fmp4: the MP4 is not fragmented, and it cannot be sought in")

// A Reader reads the packets of an MP4. It is a [media.Reader]. One goroutine at
// a time may use it.
//
// Packets of several tracks come in the order of their decoding times, as far as
// they lie in one fragment, and of a file that is not fragmented throughout.
//
// Times are those of the file. Of an edit list the beginning counts, as players
// have it: by how much later than the others a track begins, and which of its
// times is 0. What is decoded before that has times below 0. Other edits, which
// cut and repeat, are left out.
//
// A track whose description changes in the middle of a fragmented file, by
// another moov, has the new one in the [media.Packet].Config of the next packet.
type Reader struct {
	tracks  []media.Track
	ignored []error
	packets packets
	err     error // of all calls from now on
}

// packets is where the packets of a Reader come from.
type packets interface {
	// next reads the next packet into p, of which Payload may be reused.
	next(p *media.Packet) error
}

// NewReader reads the header of an MP4, up to the end of its moov. It blocks
// until that is there. From an [io.ReadSeeker] that can be sought, which begins
// where it stands, it also reads MP4 that is not fragmented.
//
// The error of a source that ends before that wraps [io.ErrUnexpectedEOF].
func NewReader(r io.Reader) (*Reader, error) {
	in := newStream(r)
	moov, err := in.readMoov()
	if err != nil {
		return nil, fmt.Errorf("fmp4: read the header: %w", err)
	}
	movie, err := cmaf.ParseMovie(moov)
	if err != nil {
		return nil, fmt.Errorf("fmp4: read the header: %w", err)
	}
	if len(movie.Headers) == 0 {
		return nil, noTracks(movie.Ignored)
	}
	reader := &Reader{ignored: movie.Ignored}
	for _, h := range movie.Headers {
		reader.tracks = append(reader.tracks, h.Track)
	}
	switch {
	case movie.Fragmented:
		reader.packets, err = newFragments(in, movie.Headers)
	case in.seeker == nil:
		return nil, ErrNotFragmented
	default:
		var end int64
		if end, err = in.seeker.Seek(0, io.SeekEnd); err == nil {
			reader.packets, err = newPlain(in.seeker, in.start, end-in.start, movie.Headers)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("fmp4: read the header: %w", err)
	}
	return reader, nil
}

// noTracks says why nothing can be read.
func noTracks(ignored []error) error {
	if len(ignored) == 0 {
		return fmt.Errorf("fmp4: %w: a moov without tracks", cmaf.ErrMalformed)
	}
	return fmt.Errorf("fmp4: there is no track that can be read: %w", errors.Join(ignored...))
}

// Tracks implements [media.Reader]. The IDs are those of the file.
func (r *Reader) Tracks() []media.Track { return r.tracks }

// Ignored returns an error for each track of the file that is left out: what it
// is, or what is wrong with it.
func (r *Reader) Ignored() []error { return r.ignored }

// ReadPacket implements [media.Reader]. Of a file that ends early it gives what
// is there as a whole; then the error wraps [io.ErrUnexpectedEOF].
func (r *Reader) ReadPacket(p *media.Packet) error {
	if r.err == nil {
		if err := r.packets.next(p); err == io.EOF {
			r.err = err
		} else if err != nil {
			r.err = fmt.Errorf("fmp4: read a packet: %w", err)
		}
	}
	return r.err
}
