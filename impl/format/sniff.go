// Package format finds out what a source of media is, and opens it. The formats
// that it opens are in the packages below it.
package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/annexb"
	"github.com/moqlite/moqlite/impl/format/fmp4"
	"github.com/moqlite/moqlite/impl/format/mpegts"
)

// An UnsupportedError is of a source that [Sniff] does not open.
type UnsupportedError struct {
	// Format is what it is, such as "Matroska", "WebM", "Ogg", "AAC", or "MP4"
	// for one that is not fragmented and cannot be sought in. "": nothing that
	// is known.
	Format string

	// Head is how it begins: a few bytes.
	Head []byte

	err error
}

// Error says what was seen, and what can be done.
func (e *UnsupportedError) Error() string {
	switch {
	case e.err != nil:
		return "format: " + e.err.Error()
	case e.Format == "":
		return fmt.Sprintf("format: the source is nothing that is known: it begins with %x", e.Head)
	}
	return fmt.Sprintf("format: the source is %s, which cannot be streamed as it is: ffmpeg can make fragmented MP4 or MPEG-TS of it", e.Format)
}

// Unwrap returns the error of the format that was tried: [fmp4.ErrNotFragmented].
func (e *UnsupportedError) Unwrap() error { return e.err }

// Sniff finds out what r is, by its first bytes, and opens it: fragmented MP4,
// MPEG transport streams, and byte streams of H.264 or H.265 (annex B). It blocks
// until the source has shown its tracks.
//
// From an [io.ReadSeeker] that can be sought, which begins where it stands, it
// also opens MP4 that is not fragmented.
//
// The error matches [*UnsupportedError] where the source is something else, and
// wraps [io.ErrUnexpectedEOF] where there is nothing.
func Sniff(r io.Reader) (media.Reader, error) {
	head, r, err := peek(r)
	if err != nil {
		return nil, err
	}
	name := identify(head, true)
	switch name {
	case formatMP4:
		reader, err := fmp4.NewReader(r)
		if errors.Is(err, fmp4.ErrNotFragmented) {
			return nil, unsupported("MP4", head, err)
		}
		return opened(reader, err)
	case formatTS:
		return opened(mpegts.NewReader(r))
	case formatAnnexB:
		return opened(annexb.NewReader(r))
	}
	return nil, unsupported(name, head, nil)
}

// opened is a reader or an error: a nil pointer in an interface is not nil.
func opened[R media.Reader](r R, err error) (media.Reader, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

func unsupported(name string, head []byte, err error) error {
	return &UnsupportedError{Format: name, Head: bytes.Clone(head[:min(16, len(head))]), err: err}
}

// peek reads the beginning of r: as much as is needed to tell what it is, and
// no more than mostHead. What it returns reads r from the beginning, by seeking
// where that is possible.
func peek(r io.Reader) (head []byte, whole io.Reader, err error) {
	var start int64
	seeker, ok := r.(io.Seeker)
	if ok {
		start, err = seeker.Seek(0, io.SeekCurrent)
		ok = err == nil
	}
	head = make([]byte, 0, mostHead)
	for idle := 0; len(head) < mostHead && identify(head, false) == ""; {
		n, err := r.Read(head[len(head):mostHead])
		head = head[:len(head)+n]
		if idle++; n > 0 {
			idle = 0
		}
		const mostIdle = 100
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("format: reading the source: %w", err)
		}
		if idle > mostIdle {
			return nil, nil, fmt.Errorf("format: reading the source: %w", io.ErrNoProgress)
		}
	}
	if len(head) == 0 {
		return nil, nil, fmt.Errorf("format: the source is empty: %w", io.ErrUnexpectedEOF)
	}
	if ok {
		if _, err := seeker.Seek(start, io.SeekStart); err != nil {
			return nil, nil, fmt.Errorf("format: seeking to the beginning of the source: %w", err)
		}
		return head, r, nil
	}
	return head, io.MultiReader(bytes.NewReader(head), r), nil
}
