package message

import (
	"fmt"
	"io"
)

// FrameHeader is the header of a frame. It precedes each payload on a Group stream
// (unidirectional, type 0) and in the answer to [Fetch]. It has no Len.
type FrameHeader struct {
	// Timestamp is in units of the track's timescale. It is sent as the difference
	// from the frame before on the stream, or from 0. Only with
	// [Version.Timestamps] (moq-lite-05 and 06).
	Timestamp uint64

	Size uint64 // of the payload
}

// delta returns the difference of timestamps that is sent. A timestamp above MaxVarint
// counts as MaxVarint.
func (h *FrameHeader) delta(previous uint64) int64 {
	return int64(min(h.Timestamp, MaxVarint)) - int64(min(previous, MaxVarint))
}

// Append appends the header; previous is the timestamp of the frame before, 0
// for the first.
func (h *FrameHeader) Append(v *Version, b []byte, previous uint64) []byte {
	if v.Timestamps {
		b = v.AppendZigzag(b, h.delta(previous))
	}
	return v.AppendVarint(b, h.Size)
}

// Length returns how many bytes Append adds.
func (h *FrameHeader) Length(v *Version, previous uint64) int {
	n := v.VarintLen(h.Size)
	if v.Timestamps {
		n += v.ZigzagLen(h.delta(previous))
	}
	return n
}

// Validate returns an error if the header must not be sent, for one because the
// difference of timestamps is too large: it has half the range of a timestamp.
func (h *FrameHeader) Validate(v *Version, previous uint64) error {
	switch {
	case h.Size > MaxVarint:
		return fmt.Errorf("frame: size is above 2^62-1: %w", ErrUnencodable)
	case !v.Timestamps:
		return nil
	case h.Timestamp > MaxVarint:
		return fmt.Errorf("frame: timestamp is above 2^62-1: %w", ErrUnencodable)
	case h.delta(previous) < MinZigzag || h.delta(previous) > MaxZigzag:
		return fmt.Errorf("frame: timestamp is too far from the one before: %w", ErrUnencodable)
	default:
		return nil
	}
}

// ParseFrameHeader returns the header that b begins with, and its length;
// previous is the timestamp of the frame before, 0 for the first. The error is
// io.ErrUnexpectedEOF when b ends within the header or is empty, and else
// [ErrMalformed].
func ParseFrameHeader(b []byte, v *Version, previous uint64) (h FrameHeader, n int, err error) {
	if v.Timestamps {
		delta, length, err := v.ParseZigzag(b)
		if err != nil {
			return h, 0, err
		}
		if h.Timestamp, err = after(previous, delta); err != nil {
			return h, 0, err
		}
		n = length
	}
	size, length, err := v.ParseVarint(b[n:])
	h.Size = size
	return h, n + length, err
}

// after returns the timestamp that is delta after previous.
func after(previous uint64, delta int64) (uint64, error) {
	timestamp := int64(min(previous, MaxVarint)) + delta
	if timestamp < 0 || timestamp > MaxVarint {
		return 0, fmt.Errorf("frame: timestamp is out of range: %w", ErrMalformed)
	}
	return uint64(timestamp), nil
}

// ReadFrameHeader reads a header; previous is the timestamp of the frame before,
// 0 for the first. The error is io.EOF when r ends before the header, which is
// the end of the group, io.ErrUnexpectedEOF when it ends within, and else r's
// own or [ErrMalformed].
func ReadFrameHeader(r io.ByteReader, v *Version, previous uint64) (FrameHeader, error) {
	var h FrameHeader
	var err error
	if !v.Timestamps {
		h.Size, err = v.ReadVarint(r)
		return h, err
	}
	delta, err := v.ReadZigzag(r)
	if err != nil {
		return h, err
	}
	if h.Timestamp, err = after(previous, delta); err != nil {
		return h, err
	}
	if h.Size, err = v.ReadVarint(r); err != nil {
		return h, within(err)
	}
	return h, nil
}
