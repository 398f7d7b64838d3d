package codec

import (
	"bytes"
	"slices"
)

// ParameterSets are the parameter sets of a stream, in the order in which they
// came. VPS are of HEVC alone.
type ParameterSets struct{ VPS, SPS, PPS [][]byte }

// maxSets is how many parameter sets of a kind a stream may have, more than any
// in use.
const maxSets = 32

// Add keeps the unit if it is a parameter set of c that is not there yet. It
// copies it.
func (p *ParameterSets) Add(c NAL, unit []byte) {
	if list := p.list(c, unit); list != nil && len(*list) < maxSets && !p.Has(c, unit) {
		*list = append(*list, bytes.Clone(unit))
	}
}

// Has reports whether the unit is one of p.
func (p *ParameterSets) Has(c NAL, unit []byte) bool {
	list := p.list(c, unit)
	return list != nil && slices.ContainsFunc(*list, func(b []byte) bool { return bytes.Equal(b, unit) })
}

// list is where the unit belongs; nil: it is no parameter set.
func (p *ParameterSets) list(c NAL, unit []byte) *[][]byte {
	switch {
	case c.SPS(unit):
		return &p.SPS
	case c.PPS(unit):
		return &p.PPS
	case c.ParameterSet(unit):
		return &p.VPS
	}
	return nil
}

// Complete reports whether decoding can begin with these.
func (p *ParameterSets) Complete(c NAL) bool {
	return len(p.SPS) > 0 && len(p.PPS) > 0 && (c == AVC || len(p.VPS) > 0)
}

// Append appends all of them to a byte stream, in the order that decoders want.
func (p *ParameterSets) Append(annexB []byte) []byte {
	for _, list := range [][][]byte{p.VPS, p.SPS, p.PPS} {
		for _, unit := range list {
			annexB = AppendUnit(annexB, unit)
		}
	}
	return annexB
}

// ParameterSets returns those of an access unit in the form of annex B, as
// copies.
func (c NAL) ParameterSets(annexB []byte) ParameterSets {
	var p ParameterSets
	for unit := range AnnexB(annexB) {
		p.Add(c, unit)
	}
	return p
}

// AppendSample appends an access unit in the form of annex B as a sample of a
// track that has a description: with lengths of four bytes, without what the
// description has (parameter sets) and MP4 does not want (delimiters, filler).
func (c NAL) AppendSample(dst, annexB []byte) []byte {
	for unit := range AnnexB(annexB) {
		if !c.ParameterSet(unit) && !c.Delimiter(unit) && !c.Filler(unit) {
			dst = AppendPrefixed(dst, unit)
		}
	}
	return dst
}
