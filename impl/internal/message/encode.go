package message

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// An encoder appends, measures or checks the fields of a message, depending on its mode:
// so each message lists its fields only once.
//
// Each message has a method encode that lists them, and Append, Length and Validate call it
// with an encoder of each mode. That these methods have one name is meant: they are one
// contract, as Append and Parse are. They are not called through an interface or a function
// value, since the encoder would then be allocated for each message.
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

// appendBody returns an encoder that appends a message without Len.
func appendBody(v *Version, b []byte) encoder { return encoder{v: v, b: b, start: len(b)} }

// appendTo returns an encoder that appends a message with Len. It leaves room for the Len
// of most messages, which finish fills in.
func appendTo(v *Version, b []byte) encoder {
	return appendBody(v, append(b, 0))
}

func measure(v *Version) encoder { return encoder{v: v, mode: measuring} }

func check(v *Version, name string) encoder { return encoder{v: v, mode: checking, name: name} }

// finish puts Len in front of the body and returns the slice with the message.
func (e *encoder) finish() []byte {
	size := len(e.b) - e.start
	if more := e.v.VarintLen(uint64(size)) - 1; more > 0 {
		e.b = slices.Grow(e.b, more)[:len(e.b)+more]
		copy(e.b[e.start+more:], e.b[e.start:e.start+size])
	}
	e.v.AppendVarint(e.b[:e.start-1], uint64(size))
	return e.b
}

// length is the length of Len and the body together.
func (e *encoder) length() int { return e.v.VarintLen(uint64(e.n)) + e.n }

// verdict returns why the message must not be sent, or nil.
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

// exists refuses the message unless ok: the version has it.
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

// some encodes an optional number that is present, as x+1.
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

// raw encodes s without its length.
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

// repeats reports whether a hop id other than 0 occurs more than once.
func repeats(hops []uint64) bool {
	for i, hop := range hops {
		if hop != 0 && slices.Contains(hops[:i], hop) {
			return true
		}
	}
	return false
}
