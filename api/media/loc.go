package media

import (
	"errors"
	"fmt"
	"math"
)

// The properties of LOC that matter here (draft-ietf-moq-loc-04). An even one
// has a varint as its value, an odd one a length and bytes.
const (
	locTimestamp03 = 0x06 // the timestamp of draft 03, which is read and not written
	locTimescale   = 0x08 // units a second of the timestamp
	locTimestamp   = 0x10
)

var (
	errPropertiesCut    = errors.New("it ends within its properties")
	errPropertyCut      = errors.New("its properties end within one")
	errPropertyType     = errors.New("the types of its properties exceed 64 bits")
	errTimescaleZero    = errors.New("its timescale is 0")
	errTimestampMissing = errors.New("it has no timestamp (property 0x10)")
)

// AppendLOC appends f in the container LOC (draft-ietf-moq-loc-04): properties,
// which are the timestamp in microseconds alone, then the payload. It writes a
// PTS below zero as 0, fractions of a microsecond not at all, and no payload of
// a marker.
func AppendLOC(dst []byte, f Frame) []byte {
	var property [9]byte
	properties := appendVarint(append(property[:0], locTimestamp), micros(f.PTS))
	dst = appendVarint(dst, uint64(len(properties)))
	dst = append(dst, properties...)
	if f.Marker {
		return dst
	}
	return append(dst, f.Payload...)
}

// ParseLOC reads a frame of the container LOC (draft-ietf-moq-loc-04), whose
// timestamp may be in a timescale of its own, or that of draft 03. It skips all
// other properties. The payload is a part of b. A frame without a payload is a
// marker.
//
// The error says why b is no such frame: it or its properties are cut off, it
// has no timestamp, its timescale is 0, or its timestamp is beyond 292 years.
func ParseLOC(b []byte) (Frame, error) {
	length, rest, ok := cutVarint(b)
	if !ok || length > uint64(len(rest)) {
		return Frame{}, fmt.Errorf("LOC frame of %d bytes: %w", len(b), errPropertiesCut)
	}
	timestamp, timescale, err := locTime(rest[:length])
	if err != nil {
		return Frame{}, fmt.Errorf("LOC frame: %w", err)
	}
	pts, ok := duration(timestamp, timescale)
	if !ok {
		return Frame{}, fmt.Errorf("LOC frame: timestamp %d of timescale %d: %w", timestamp, timescale, errTooLate)
	}
	payload := rest[length:]
	return Frame{PTS: pts, Marker: len(payload) == 0, Payload: payload}, nil
}

// locTime reads the timestamp and its timescale out of the properties of a
// frame. The type of each is told as the difference to the one before.
func locTime(properties []byte) (timestamp, timescale uint64, err error) {
	timescale = microseconds
	found := false
	for kind := uint64(0); len(properties) > 0; {
		var delta, value uint64
		var ok bool
		if delta, properties, ok = cutVarint(properties); !ok {
			return 0, 0, errPropertyCut
		}
		if delta > math.MaxUint64-kind {
			return 0, 0, errPropertyType
		}
		kind += delta
		if value, properties, ok = cutVarint(properties); !ok {
			return 0, 0, errPropertyCut
		}
		switch {
		case kind%2 == 1:
			if value > uint64(len(properties)) {
				return 0, 0, errPropertyCut
			}
			properties = properties[value:]
		case kind == locTimestamp, kind == locTimestamp03:
			timestamp, found = value, true
		case kind == locTimescale:
			timescale = value
		}
	}
	switch {
	case timescale == 0:
		return 0, 0, errTimescaleZero
	case !found:
		return 0, 0, errTimestampMissing
	}
	return timestamp, timescale, nil
}
