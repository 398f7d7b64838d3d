package qmux

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The ids of transport parameters.
const (
	paramIdleTimeout       = 0x01
	paramMaxData           = 0x04
	paramStreamDataLocal   = 0x05 // for bidirectional streams that the sender of the parameters opens
	paramStreamDataRemote  = 0x06 // for those that the receiver opens
	paramStreamDataUni     = 0x07
	paramStreamsBidi       = 0x08
	paramStreamsUni        = 0x09
	paramResetStreamAt     = 0x1d
	paramMaxDatagram       = 0x20
	paramMaxRecord         = 0x0571c59429cd0845
	paramApplicationProtos = 0x3d4f9c2a8b1e6075
)

// MinRecordSize is the size of records that every peer must accept, in bytes.
// It is also used as the largest frame for qmux-00.
const MinRecordSize = 16382

// Params are the transport parameters, which each side sends first. The zero
// value grants nothing.
type Params struct {
	IdleTimeout      time.Duration // sent in milliseconds; zero: none
	MaxData          uint64
	StreamDataLocal  uint64 // for bidirectional streams that this side opens
	StreamDataRemote uint64 // for those that the other side opens
	StreamDataUni    uint64
	StreamsBidi      uint64
	StreamsUni       uint64
	MaxDatagram      uint64 // the largest DATAGRAM frame; zero: no datagrams
	MaxRecord        uint64
	ResetStreamAt    bool
	Protocols        []string // only if nothing else negotiates them
}

// append encodes p for a peer of version v.
// Its output depends on nothing else, so tests can compare it, although peers must accept
// any order of parameters.
func (p *Params) append(b []byte, v Version) []byte {
	b = appendParam(b, paramIdleTimeout, uint64(p.IdleTimeout.Milliseconds()))
	b = appendParam(b, paramMaxData, p.MaxData)
	b = appendParam(b, paramStreamDataLocal, p.StreamDataLocal)
	b = appendParam(b, paramStreamDataRemote, p.StreamDataRemote)
	b = appendParam(b, paramStreamDataUni, p.StreamDataUni)
	b = appendParam(b, paramStreamsBidi, p.StreamsBidi)
	b = appendParam(b, paramStreamsUni, p.StreamsUni)
	b = appendParam(b, paramMaxDatagram, p.MaxDatagram)
	b = appendParam(b, paramMaxRecord, p.MaxRecord)
	if p.ResetStreamAt && v >= Version02 {
		b = append(AppendVarint(b, paramResetStreamAt), 0)
	}
	if len(p.Protocols) > 0 {
		var names []byte
		for _, name := range p.Protocols {
			names = appendBytes(names, []byte(name))
		}
		b = appendBytes(AppendVarint(b, paramApplicationProtos), names)
	}
	return b
}

// appendParam omits a parameter that is zero, which is the default of all.
func appendParam(b []byte, id, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = AppendVarint(AppendVarint(b, id), uint64(varintLen(v)))
	return AppendVarint(b, v)
}

var (
	errForbiddenParam = errors.New("forbidden transport parameter")
	errDuplicateParam = errors.New("duplicate transport parameter")
	errBadParam       = errors.New("malformed transport parameter")
)

// parseParams parses the peer's parameters.
func parseParams(b []byte) (Params, error) {
	params, seen := Params{MaxRecord: MinRecordSize}, make(map[uint64]bool)
	for p := (parser{b: b}); len(p.b) > 0; {
		id, value := p.varint(), p.bytes()
		if p.err != nil {
			return Params{}, fmt.Errorf("transport parameters: %w", p.err)
		}
		known, err := params.set(id, value)
		if known && seen[id] {
			err = errDuplicateParam
		}
		if err != nil {
			return Params{}, fmt.Errorf("%w %#x", err, id)
		}
		if known {
			seen[id] = true
		}
	}
	return params, nil
}

// set sets one parameter. known is false if it is not one of those above, and
// ignored.
func (p *Params) set(id uint64, value []byte) (known bool, err error) {
	var number uint64
	to := &number
	switch id {
	// Those of QUIC (RFC 9000, section 18.2) that mean nothing without packets.
	case 0x00, 0x02, 0x03, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10:
		return false, errForbiddenParam
	case paramResetStreamAt:
		if p.ResetStreamAt = true; len(value) > 0 {
			return true, errBadParam
		}
		return true, nil
	case paramApplicationProtos:
		p.Protocols, err = parseNames(value)
		return true, err
	case paramMaxData:
		to = &p.MaxData
	case paramStreamDataLocal:
		to = &p.StreamDataLocal
	case paramStreamDataRemote:
		to = &p.StreamDataRemote
	case paramStreamDataUni:
		to = &p.StreamDataUni
	case paramStreamsBidi:
		to = &p.StreamsBidi
	case paramStreamsUni:
		to = &p.StreamsUni
	case paramMaxDatagram:
		to = &p.MaxDatagram
	case paramMaxRecord:
		to = &p.MaxRecord
	case paramIdleTimeout:
	default:
		return false, nil
	}
	v := parser{b: value}
	if *to = v.varint(); v.err != nil || len(v.b) > 0 {
		return true, errBadParam
	}
	return true, p.check(id, *to)
}

// check validates a parameter that was set.
func (p *Params) check(id, v uint64) error {
	switch id {
	case paramIdleTimeout:
		const longest = uint64(24 * time.Hour / time.Millisecond)
		p.IdleTimeout = time.Duration(min(v, longest)) * time.Millisecond
	case paramStreamsBidi, paramStreamsUni:
		if v > maxStreams {
			return errBadParam
		}
	case paramMaxRecord:
		if v < MinRecordSize {
			return errBadParam
		}
	}
	return nil
}

// maxStreams is the largest number of streams of one kind that ids can
// distinguish.
const maxStreams = 1 << 60

// parseNames parses a list of protocols, none of which may be empty.
func parseNames(b []byte) (names []string, err error) {
	for p := (parser{b: b}); len(p.b) > 0; {
		name := p.bytes()
		if p.err != nil || len(name) == 0 {
			return nil, errBadParam
		}
		names = append(names, string(name))
	}
	return slices.Clip(names), nil
}
