package fmp4

import (
	"bufio"
	"fmt"
	"io"

	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// Bounds of what is held in memory. What a box announces is not allocated before
// it arrives.
const (
	maxHeader   = 256 << 20 // bytes of a moov: the tables of a day
	maxFragment = 512 << 20 // bytes of a moof, and of its mdat
)

// A stream goes through the boxes at the top of a file.
type stream struct {
	r      *bufio.Reader
	seeker io.ReadSeeker // nil: what is read cannot be sought
	start  int64         // where the file begins, as the seeker counts
	at     int64         // bytes of the file that were read
}

func newStream(r io.Reader) *stream {
	s := &stream{r: bufio.NewReaderSize(r, 16<<10)}
	if seeker, ok := r.(io.ReadSeeker); ok {
		// Pipes that are files have the method as well, and fail.
		if at, err := seeker.Seek(0, io.SeekCurrent); err == nil {
			s.seeker, s.start = seeker, at
		}
	}
	return s
}

// readMoov goes to the moov and reads its body.
func (s *stream) readMoov() ([]byte, error) {
	for {
		h, err := s.header()
		if err != nil {
			if err == io.EOF {
				err = fmt.Errorf("no moov in %d bytes: %w", s.at, io.ErrUnexpectedEOF)
			}
			return nil, err
		}
		switch string(h.Name[:]) {
		case "moov":
			if h.Size == 0 {
				return nil, fmt.Errorf("%w: a moov without an end", cmaf.ErrMalformed)
			}
			return s.body(nil, h, maxHeader)
		case "moof":
			return nil, fmt.Errorf("%w: a fragment before the moov that describes it", cmaf.ErrMalformed)
		case "mdat":
			if s.seeker == nil {
				return nil, ErrNotFragmented
			}
			if err := s.seek(h); err != nil {
				return nil, err
			}
		default:
			if err := s.skip(h); err != nil {
				return nil, err
			}
		}
	}
}

// header reads the header of the next box. It returns [io.EOF] where the file
// ends after a whole box.
func (s *stream) header() (cmaf.BoxHeader, error) {
	h, err := s.peek()
	if err == nil {
		s.take(h)
	}
	return h, err
}

// take goes over a header that was peeked at.
func (s *stream) take(h cmaf.BoxHeader) {
	_, _ = s.r.Discard(h.Head) // it is in the buffer
	s.at += int64(h.Head)
}

// peek is header, and stays before it.
func (s *stream) peek() (h cmaf.BoxHeader, err error) {
	for _, n := range []int{8, 16} {
		b, err := s.r.Peek(n)
		if err != nil {
			if err == io.EOF && len(b) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return h, err
		}
		h, ok, err := cmaf.ParseBoxHeader(b)
		if err != nil {
			return h, err
		}
		if ok {
			return h, plausible(h)
		}
	}
	return h, io.ErrUnexpectedEOF
}

// plausible refuses what is no MP4 before its first bytes are taken for a length.
func plausible(h cmaf.BoxHeader) error {
	for _, c := range h.Name {
		if (c < ' ' || c > '~') && c != 0xa9 {
			return fmt.Errorf("%w: a box named %q", cmaf.ErrMalformed, h.Name)
		}
	}
	return nil
}

// body reads the body of a box, into the capacity of b. On an error it returns
// what was there of it.
func (s *stream) body(b []byte, h cmaf.BoxHeader, most int64) ([]byte, error) {
	b = b[:0]
	left := h.Size - int64(h.Head)
	if h.Size == 0 {
		left = most + 1
	}
	if left > most && h.Size != 0 {
		return b, fmt.Errorf("%w: a box %q of %d bytes, which may have %d", cmaf.ErrMalformed, h.Name, h.Size, most)
	}
	b, err := readGrowing(s.r, b, left)
	s.at += int64(len(b))
	switch {
	case err == io.EOF && h.Size == 0:
		err = nil
	case err == io.EOF:
		err = fmt.Errorf("%d of %d bytes of a box %q are there: %w", len(b)+h.Head, h.Size, h.Name, io.ErrUnexpectedEOF)
	case err == nil && h.Size == 0:
		err = fmt.Errorf("%w: a box %q without an end, which may have %d bytes", cmaf.ErrMalformed, h.Name, most)
	}
	return b, err
}

// readGrowing appends n bytes of r to b, which grows as they arrive. The error is
// [io.EOF] where r ends before.
func readGrowing(r io.Reader, b []byte, n int64) ([]byte, error) {
	for n > 0 {
		if len(b) == cap(b) {
			grown := make([]byte, len(b), len(b)+int(min(n, max(4<<10, int64(len(b))))))
			copy(grown, b)
			b = grown
		}
		room := b[len(b):min(int64(cap(b)), int64(len(b))+n)]
		got, err := io.ReadFull(r, room)
		b, n = b[:len(b)+got], n-int64(got)
		if err == io.ErrUnexpectedEOF {
			err = io.EOF
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// skip reads over the body of a box.
func (s *stream) skip(h cmaf.BoxHeader) error {
	if h.Size == 0 {
		n, err := io.Copy(io.Discard, s.r)
		s.at += n
		return err
	}
	n, err := io.CopyN(io.Discard, s.r, h.Size-int64(h.Head))
	s.at += n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// seek goes over the body of a box without reading it.
func (s *stream) seek(h cmaf.BoxHeader) error {
	if h.Size == 0 {
		return s.skip(h)
	}
	s.at += h.Size - int64(h.Head)
	if _, err := s.seeker.Seek(s.start+s.at, io.SeekStart); err != nil {
		return err
	}
	s.r.Reset(s.seeker)
	return nil
}
