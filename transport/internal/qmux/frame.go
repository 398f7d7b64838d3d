package qmux

import (
	"errors"
	"fmt"
)

// A frameType is the type of a frame.
type frameType uint64

const (
	framePadding            frameType = 0x00
	frameResetStream        frameType = 0x04
	frameStopSending        frameType = 0x05
	frameStream             frameType = 0x08 // to 0x0f, with the flags below
	frameMaxData            frameType = 0x10
	frameMaxStreamData      frameType = 0x11
	frameMaxStreamsBidi     frameType = 0x12
	frameMaxStreamsUni      frameType = 0x13
	frameDataBlocked        frameType = 0x14
	frameStreamDataBlocked  frameType = 0x15
	frameStreamsBlockedBidi frameType = 0x16
	frameStreamsBlockedUni  frameType = 0x17
	frameConnectionClose    frameType = 0x1c
	frameApplicationClose   frameType = 0x1d
	frameResetStreamAt      frameType = 0x24
	frameDatagram           frameType = 0x30
	frameDatagramLen        frameType = 0x31
	frameParams             frameType = 0x3f5153300d0a0d0a
	framePingRequest        frameType = 0x348c67529ef8c7bd
	framePingResponse       frameType = 0x348c67529ef8c7be
)

// The flags in the type of a STREAM frame.
const (
	streamFin = 0x01
	streamLen = 0x02
	streamOff = 0x04
)

// A frame is a frame of any type, which determines the fields that are used.
type frame struct {
	kind   frameType // without STREAM flags; both DATAGRAM types are frameDatagramLen
	id     uint64    // of a stream
	offset uint64    // of STREAM, if hasOffset
	code   uint64    // of resets, refusals and closes
	value  uint64    // a limit, a final size, a ping's number
	// reliable is the reliable size of RESET_STREAM_AT.
	reliable  uint64
	hasOffset bool
	fin       bool
	data      []byte // of STREAM and DATAGRAM; the parameters; the reason of a close
}

// append encodes f. STREAM and DATAGRAM always have a length, so that other
// frames can follow.
func (f *frame) append(b []byte) []byte {
	if f.kind == frameStream {
		return f.appendStream(b)
	}
	b = AppendVarint(b, uint64(f.kind))
	switch f.kind {
	case frameResetStream:
		b = AppendVarint(AppendVarint(b, f.id), f.code)
		b = AppendVarint(b, f.value)
	case frameResetStreamAt:
		b = AppendVarint(AppendVarint(b, f.id), f.code)
		b = AppendVarint(AppendVarint(b, f.value), f.reliable)
	case frameStopSending:
		b = AppendVarint(AppendVarint(b, f.id), f.code)
	case frameMaxStreamData, frameStreamDataBlocked:
		b = AppendVarint(AppendVarint(b, f.id), f.value)
	case frameConnectionClose:
		b = AppendVarint(AppendVarint(b, f.code), 0)
		b = appendBytes(b, f.data)
	case frameApplicationClose:
		b = appendBytes(AppendVarint(b, f.code), f.data)
	case frameDatagramLen, frameParams:
		b = appendBytes(b, f.data)
	case framePadding:
	default:
		b = AppendVarint(b, f.value)
	}
	return b
}

// appendStream encodes a STREAM frame.
func (f *frame) appendStream(b []byte) []byte {
	kind := byte(frameStream | streamOff | streamLen)
	if f.fin {
		kind |= streamFin
	}
	b = AppendVarint(append(b, kind), f.id)
	return appendBytes(AppendVarint(b, f.offset), f.data)
}

// appendBytes appends p behind its length.
func appendBytes(b, p []byte) []byte {
	return append(AppendVarint(b, uint64(len(p))), p...)
}

// errUnknownFrame is the error for a frame of unknown type: its length is
// unknown, so the rest of the message cannot be parsed.
var errUnknownFrame = errors.New("unknown frame")

// next parses the next frame, which aliases the input.
func (p *parser) next(v Version) (f frame, err error) {
	kind := frameType(p.varint())
	switch {
	case p.err != nil:
	case kind&^7 == frameStream:
		p.stream(&f, kind)
	case v.records():
		p.recordOnly(&f, kind)
	default:
		p.common(&f, kind)
	}
	if p.err != nil {
		return f, fmt.Errorf("frame %#x: %w", uint64(kind), p.err)
	}
	return f, nil
}

// stream parses a STREAM frame. Without a length, its data is the rest of the message.
func (p *parser) stream(f *frame, kind frameType) {
	f.kind, f.id, f.fin = frameStream, p.varint(), kind&streamFin != 0
	if f.hasOffset = kind&streamOff != 0; f.hasOffset {
		f.offset = p.varint()
	}
	if kind&streamLen != 0 {
		f.data = p.bytes()
	} else if p.err == nil {
		f.data = p.rest()
	}
}

// recordOnly parses the frames that qmux-00 does not have, and those of
// common.
func (p *parser) recordOnly(f *frame, kind frameType) {
	f.kind = kind
	switch kind {
	case framePadding:
	case frameDatagram:
		f.kind, f.data = frameDatagramLen, p.rest()
	case frameDatagramLen:
		f.data = p.bytes()
	case framePingRequest, framePingResponse:
		f.value = p.varint()
	case frameResetStreamAt:
		f.id, f.code, f.value, f.reliable = p.varint(), p.varint(), p.varint(), p.varint()
	default:
		p.common(f, kind)
	}
}

// common parses the frames that every version has, except for STREAM.
func (p *parser) common(f *frame, kind frameType) {
	f.kind = kind
	switch kind {
	case frameResetStream:
		f.id, f.code, f.value = p.varint(), p.varint(), p.varint()
	case frameStopSending:
		f.id, f.code = p.varint(), p.varint()
	case frameMaxStreamData, frameStreamDataBlocked:
		f.id, f.value = p.varint(), p.varint()
	case frameMaxData, frameMaxStreamsBidi, frameMaxStreamsUni,
		frameDataBlocked, frameStreamsBlockedBidi, frameStreamsBlockedUni:
		f.value = p.varint()
	case frameConnectionClose:
		f.code = p.varint()
		p.varint() // the type of the frame that caused the close
		f.data = p.bytes()
	case frameApplicationClose:
		f.code, f.data = p.varint(), p.bytes()
	case frameParams:
		f.data = p.bytes()
	default:
		p.fail(errUnknownFrame)
	}
}
