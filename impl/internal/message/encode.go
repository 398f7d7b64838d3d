package message

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// An encoder goes through the fields of a message to append, measure or check
// them: each message names its fields once.
type encoder struct {
	v     *Version
	mode  encodeMode
	name  string // of the message, when checking
	b     []byte // when appending
	start int    // of the body in b
	n     int    // of the body, when not appending
	err   error  // the first, when checking
}

type encodeMode uint8

const (
	appending encodeMode = iota
	measuring
	checking
)

// appendBody is for a message without Len.
func appendBody(v *Version, b []byte) encoder { return encoder{v: v, b: b, start: len(b)} }

// appendTo leaves room for the Len of most messages, which finish puts there.
func appendTo(v *Version, b []byte) encoder {
	return appendBody(v, append(b, 0))
}

func measure(v *Version) encoder { return encoder{v: v, mode: measuring} }

func check(v *Version, name string) encoder { return encoder{v: v, mode: checking, name: name} }

// finish puts Len in front of the body and returns the whole.
func (e *encoder) finish() []byte {
	size := len(e.b) - e.start
	if more := e.v.VarintLen(uint64(size)) - 1; more > 0 {
		e.b = slices.Grow(e.b, more)[:len(e.b)+more]
		copy(e.b[e.start+more:], e.b[e.start:e.start+size])
	}
	e.v.AppendVarint(e.b[:e.start-1], uint64(size))
	return e.b
}

// length is that of Len and the body.
func (e *encoder) length() int { return e.v.VarintLen(uint64(e.n)) + e.n }

// verdict is what keeps the message from being sent, or nil.
func (e *encoder) verdict() error {
	if e.err == nil && e.n > MaxBody {
		return fmt.Errorf("%s of %d bytes, the most is %d: %w", e.name, e.n, MaxBody, ErrTooLarge)
	}
	return e.err
}

// must refuses the message unless ok; why completes "the field is …".
func (e *encoder) must(ok bool, field, why string) {
	if !ok && e.mode == checking && e.err == nil {
		e.err = fmt.Errorf("%s: %s is %s: %w", e.name, field, why, ErrUnencodable)
	}
}

// exists refuses the message unless the version has it.
func (e *encoder) exists(ok bool) {
	if !ok && e.mode == checking && e.err == nil {
		e.err = fmt.Errorf("%s: no such message in %s: %w", e.name, e.v.Name, ErrUnencodable)
	}
}

func (e *encoder) uint8(x uint8) {
	if e.mode == appending {
		e.b = append(e.b, x)
		return
	}
	e.n++
}

func (e *encoder) varint(field string, x uint64) {
	if e.mode == appending {
		e.b = e.v.AppendVarint(e.b, x)
		return
	}
	e.must(x <= MaxVarint, field, "above 2^62-1")
	e.n += e.v.VarintLen(x)
}

// some writes an optional number that is there.
func (e *encoder) some(field string, x uint64) {
	e.must(x < MaxVarint, field, "above 2^62-2")
	e.varint(field, min(x, MaxVarint-1)+1)
}

func (e *encoder) string(field, s string) {
	e.varint(field, uint64(len(s)))
	e.raw(s)
	if e.mode == checking {
		e.must(utf8.ValidString(s), field, "not UTF-8")
	}
}

// raw writes s without its length.
func (e *encoder) raw(s string) {
	if e.mode == appending {
		e.b = append(e.b, s...)
		return
	}
	e.n += len(s)
}

func (e *encoder) path(field, p string) {
	length, segments := measurePath(p)
	e.varint(field, uint64(length))
	switch e.mode {
	case appending:
		e.b = appendClean(e.b, p)
		return
	case checking:
		e.must(utf8.ValidString(p), field, "not UTF-8")
		e.must(segments <= MaxSegments, field, "of more than 32 segments")
	}
	e.n += length
}

func (e *encoder) hops(hops []uint64) {
	e.varint("hops", uint64(len(hops)))
	if e.mode == checking {
		e.must(len(hops) <= MaxHops, "hops", "longer than 32")
		e.must(len(hops) > MaxHops || !repeats(hops), "hops", "a loop")
	}
	for _, hop := range hops {
		e.varint("hops", hop)
	}
}

// repeats tells whether a known hop stands in a chain more than once.
func repeats(hops []uint64) bool {
	for i, hop := range hops {
		if hop != 0 && slices.Contains(hops[:i], hop) {
			return true
		}
	}
	return false
}
