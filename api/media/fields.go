package media

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A told list gathers what is wrong with a catalog that is read nevertheless.
type told []error

// maxTold is how much of that is told: a document of nothing but faults is not
// to cost many times its size.
const maxTold = 100

func (t *told) add(format string, args ...any) {
	if len(*t) < maxTold {
		*t = append(*t, fmt.Errorf("%w: "+format, append([]any{ErrCatalog}, args...)...))
	}
}

// fields reads the fields of one JSON object. Each is taken out once it is
// read; what remains are the keys that are not known. The names of fields are
// compared exactly, and of doubled ones the last counts, as in the readers of
// the ecosystem.
type fields struct {
	where string                     // the object, as errors name it
	left  map[string]json.RawMessage // what is not taken yet
	told  *told
}

// isObject reports whether raw, which is JSON, is an object.
func isObject(raw []byte) bool {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	return len(raw) > 0 && raw[0] == '{'
}

// members returns the members of an object; false if raw is none.
func members(raw []byte) (map[string]json.RawMessage, bool) {
	var m map[string]json.RawMessage
	if !isObject(raw) || json.Unmarshal(raw, &m) != nil {
		return nil, false
	}
	return m, true
}

// fieldsOf reads raw as an object. If it is none, it tells so, and returns false.
func fieldsOf(where string, raw []byte, t *told) (*fields, bool) {
	m, ok := members(raw)
	if !ok {
		t.add("%s: it is %s: an object is wanted", where, short(raw))
		return nil, false
	}
	return &fields{where: where, left: m, told: t}, true
}

// take takes a field out, false if it is not there. A null is as good as
// absent, but is told, since readers in JavaScript refuse it.
func (f *fields) take(key string) (json.RawMessage, bool) {
	raw, ok := f.left[key]
	delete(f.left, key)
	if ok && string(raw) == "null" {
		f.wrong(key, raw, "leave it out")
		ok = false
	}
	return raw, ok
}

// wrong tells what is wrong with a field, and what is wanted instead.
func (f *fields) wrong(key string, raw []byte, wanted string) {
	f.told.add("%s: %s is %s: %s", f.where, key, short(raw), wanted)
}

// rest returns the keys that were not taken; nil if there are none.
func (f *fields) rest() map[string]json.RawMessage {
	if len(f.left) == 0 {
		return nil
	}
	return f.left
}

// names returns the keys that were not taken, in order.
func (f *fields) names() []string {
	names := make([]string, 0, len(f.left))
	for name := range f.left {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *fields) text(key string) (s string, ok bool) {
	raw, ok := f.take(key)
	if ok && json.Unmarshal(raw, &s) != nil {
		f.wrong(key, raw, "a string is wanted")
		return "", false
	}
	return s, ok
}

func (f *fields) boolean(key string) (b bool) {
	raw, ok := f.take(key)
	if ok && json.Unmarshal(raw, &b) != nil {
		f.wrong(key, raw, "true or false is wanted")
	}
	return b
}

// number reads a number that is not below zero.
func (f *fields) number(key string) float64 {
	raw, ok := f.take(key)
	if !ok {
		return 0
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || v < 0 {
		f.wrong(key, raw, "a number of at least 0 is wanted")
		return 0
	}
	return v
}

// integer reads an integer from 0 to highest. One that is written with a
// fraction of 0 is read, and told: readers in Rust refuse it.
func (f *fields) integer(key string, highest uint64) (v uint64, ok bool) {
	raw, ok := f.take(key)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseUint(string(raw), 10, 64)
	if err == nil && v <= highest {
		return v, true
	}
	f.wrong(key, raw, "an integer from 0 to "+strconv.FormatUint(highest, 10)+" is wanted")
	whole, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || whole != math.Trunc(whole) || whole < 0 || whole > float64(highest) || whole > maxInteger {
		return 0, false
	}
	return uint64(whole), true
}

// milliseconds reads an integer of milliseconds. A fraction is rounded up, and
// told.
func (f *fields) milliseconds(key string) time.Duration {
	raw, ok := f.take(key)
	if !ok {
		return 0
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	if _, notWhole := strconv.ParseUint(string(raw), 10, 64); notWhole != nil {
		f.wrong(key, raw, "whole milliseconds are wanted")
	}
	v = math.Ceil(v)
	if err != nil || v < 0 {
		return 0
	}
	if v > float64(math.MaxInt64/time.Millisecond) {
		f.wrong(key, raw, "at most 292 years are wanted")
		return 0
	}
	return time.Duration(v) * time.Millisecond
}

// hex reads bytes that are written in hex; ok is false if the field is there and
// cannot be read.
func (f *fields) hex(key string) (b []byte, ok bool) {
	raw, there := f.take(key)
	if !there {
		return nil, true
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if b, err := hex.DecodeString(s); err == nil {
			return b, true
		}
	}
	f.wrong(key, raw, "hex digits are wanted, two a byte (not base64)")
	return nil, false
}

// base64 reads bytes that are written in base64; ok is false if the field is not
// there or cannot be read.
func (f *fields) base64(key string) (b []byte, ok bool) {
	raw, there := f.take(key)
	if !there {
		return nil, false
	}
	var s string
	if json.Unmarshal(raw, &s) == nil && !strings.ContainsAny(s, "\r\n") {
		if b, err := base64.StdEncoding.DecodeString(s); err == nil {
			return b, true
		}
	}
	f.wrong(key, raw, "base64 with padding is wanted (RFC 4648, section 4)")
	return nil, false
}

// size reads two integers that are there together.
func (f *fields) size(width, height string) Size {
	w, hasWidth := f.integer(width, maxUint32)
	h, hasHeight := f.integer(height, maxUint32)
	if hasWidth != hasHeight {
		f.told.add("%s: %s and %s are wanted together", f.where, width, height)
		return Size{}
	}
	return Size{int(w), int(h)}
}

// short returns the beginning of a JSON value, for an error.
func short(raw []byte) string { return shorten(string(raw)) }

// shorten returns the beginning of a text, for an error.
func shorten(s string) string {
	const longest = 60
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}
