package annexb

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/moqlite/moqlite/impl/internal/codec"
)

// maxUnit is how large an access unit may become: more than a picture of any
// level at a rate that is sent live.
const maxUnit = 16 << 20

// peek is how much of a NAL unit has to be there to tell where it belongs.
const peek = 64

var (
	errTooLarge = errors.New("annexb: a picture of more than 16 MiB, or no start code in as many bytes")
	errNothing  = errors.New("annexb: no key frame with parameter sets of H.264 or H.265")
	startCode   = []byte{0, 0, 1}
)

// units cuts a byte stream into access units.
type units struct {
	r     io.Reader
	codec codec.NAL

	b       []byte // what has been read and not been given out
	from    int    // the access unit begins here in b
	scanned int    // no start code begins before, but for those that were seen
	err     error  // of the source

	slice bool // the access unit has one
}

// detect reads until it is known which codec it is: that of the first sequence
// parameter set that can be read.
func (u *units) detect() error {
	for at := 0; ; {
		for {
			begin := bytes.Index(u.b[at:], startCode)
			if begin < 0 {
				at = max(at, len(u.b)-len(startCode)+1)
				break
			}
			begin += at + len(startCode)
			end := bytes.Index(u.b[begin:], startCode)
			if end < 0 && u.err == nil {
				at = begin - len(startCode)
				break
			}
			if end < 0 {
				end = len(u.b) - begin
			}
			unit := bytes.TrimRight(u.b[begin:begin+end], "\x00")
			for _, c := range []codec.NAL{codec.AVC, codec.HEVC} {
				if _, err := c.ParseSPS(unit); c.SPS(unit) && err == nil {
					u.codec = c
					return nil
				}
			}
			at = begin
		}
		if u.err != nil {
			return u.nothing()
		}
		if err := u.fill(); err != nil {
			return err
		}
	}
}

// nothing says that the source has ended too early.
func (u *units) nothing() error {
	if errors.Is(u.err, io.EOF) {
		return errNothing
	}
	return fmt.Errorf("annexb: reading the source: %w", u.err)
}

// next returns the next access unit, which is valid until the next call. It
// blocks until the one behind it begins, or the source ends.
func (u *units) next() ([]byte, error) {
	for {
		at := bytes.Index(u.b[u.scanned:], startCode)
		if at < 0 {
			u.scanned = max(u.scanned, len(u.b)-len(startCode)+1)
			if u.err != nil {
				return u.last()
			}
			if err := u.fill(); err != nil {
				return nil, err
			}
			continue
		}
		at += u.scanned
		if len(u.b)-at < peek && u.err == nil {
			if err := u.fill(); err != nil {
				return nil, err
			}
			continue
		}
		nal := u.b[at+len(startCode):]
		nal = nal[:min(peek, len(nal))]
		if next := bytes.Index(nal, startCode); next >= 0 {
			nal = nal[:next]
		}
		begins := u.begins(nal)
		u.scanned = at + len(startCode)
		if begins {
			end := at
			if end > u.from && u.b[end-1] == 0 {
				end--
			}
			unit := u.b[u.from:end]
			u.from = end
			return unit, nil
		}
	}
}

// begins reports whether the NAL unit begins another access unit than the one
// that is open, and notes what it has.
func (u *units) begins(nal []byte) bool {
	c := u.codec
	if !c.Slice(nal) {
		first := u.slice && c.Leads(nal)
		if first {
			u.slice = false
		}
		return first
	}
	if !c.FirstSlice(nal) {
		return false
	}
	had := u.slice
	u.slice = true
	return had
}

// last returns what is left at the end of the source.
func (u *units) last() ([]byte, error) {
	unit := u.b[u.from:]
	u.from = len(u.b)
	switch {
	case !errors.Is(u.err, io.EOF):
		return nil, fmt.Errorf("annexb: reading the source: %w", u.err)
	case len(unit) == 0:
		return nil, io.EOF
	}
	return unit, nil
}

// fill reads more. The error is errTooLarge alone: that of the source is kept.
func (u *units) fill() error {
	const room = 64 << 10
	if u.from > 0 {
		n := copy(u.b, u.b[u.from:])
		u.b, u.scanned, u.from = u.b[:n], u.scanned-u.from, 0
	}
	if len(u.b) > maxUnit {
		return errTooLarge
	}
	if cap(u.b)-len(u.b) < room/2 {
		u.b = append(make([]byte, 0, 2*len(u.b)+room), u.b...)
	}
	for range 100 {
		n, err := u.r.Read(u.b[len(u.b):cap(u.b)])
		u.b = u.b[:len(u.b)+n]
		if u.err = err; err != nil || n > 0 {
			return nil
		}
	}
	u.err = io.ErrNoProgress
	return nil
}
