package message

import (
	"slices"
	"unicode/utf8"
)

// Setup is SETUP of moq-lite-05 and 06, the only message on a Setup stream
// (unidirectional, type 1). Each end sends one, which describes the sender.
type Setup struct {
	// Probe is 1 if the sender can report bitrates, 2 or more if it can also send
	// padding.
	Probe uint64

	// Path is the path and query of the URL. Only clients send it, if the transport
	// does not carry the URL. HasPath tells an empty path from none.
	Path    string
	HasPath bool

	// Role is 1 for a client that only publishes, 2 for one that only subscribes. Any
	// other value means both.
	Role uint64

	// Cost is the cost of subscribing from the sender. Only with [Version.Cost]
	// (moq-lite-06). HasCost tells 0 from none, which counts as 1.
	Cost    uint64
	HasCost bool

	// Hop is the sender's hop id in routes, 0 for none.
	Hop uint64
}

// The parameter ids of SETUP. Other parameters are ignored.
const (
	setupProbe = 1
	setupPath  = 2
	setupRole  = 3
	setupCost  = 4
	setupHop   = 5
)

// Append appends Len and the body.
func (m *Setup) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *Setup) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *Setup) Validate(v *Version) error {
	e := check(v, "SETUP")
	m.encode(&e)
	return e.verdict()
}

func (m *Setup) encode(e *encoder) {
	count := 0
	for _, present := range [...]bool{m.Probe != 0, m.HasPath, m.Role != 0, m.HasCost, m.Hop != 0} {
		if present {
			count++
		}
	}
	e.exists(e.v.Setup)
	e.varint("count", uint64(count))
	if m.Probe != 0 {
		e.parameter(setupProbe, "probe", m.Probe)
	}
	if m.HasPath {
		e.varint("path", setupPath)
		e.string("path", m.Path)
	}
	if m.Role != 0 {
		e.parameter(setupRole, "role", m.Role)
	}
	if m.HasCost {
		e.parameter(setupCost, "cost", m.Cost)
	}
	if m.Hop != 0 {
		e.parameter(setupHop, "hop", m.Hop)
	}
}

// parameter encodes a parameter whose value is a number.
func (e *encoder) parameter(id uint64, field string, x uint64) {
	e.varint(field, id)
	e.varint(field, uint64(e.v.VarintLen(x)))
	e.varint(field, x)
}

// Parse sets m from the body.
func (m *Setup) Parse(v *Version, body []byte) error {
	d := decode(v, "SETUP", body)
	d.exists(v.Setup)
	*m = Setup{}
	count := d.varint("count")
	d.must(count <= MaxSetupParameters, "count", "above 64")
	var seen [MaxSetupParameters]uint64
	for i := uint64(0); i < count && d.err == nil; i++ {
		seen[i] = d.varint("id")
		d.must(!slices.Contains(seen[:i], seen[i]), "id", "there twice")
		m.set(&d, seen[i], d.bytes("value"))
	}
	return d.finish()
}

// set sets the field for one parameter.
func (m *Setup) set(d *decoder, id uint64, value []byte) {
	if d.err != nil {
		return
	}
	switch id {
	case setupProbe:
		m.Probe = d.number("probe", value)
	case setupPath:
		d.must(utf8.Valid(value), "path", "not UTF-8")
		m.Path, m.HasPath = string(value), true
	case setupRole:
		m.Role = d.number("role", value)
	case setupCost:
		m.Cost, m.HasCost = d.number("cost", value), true
	case setupHop:
		m.Hop = d.number("hop", value)
	}
}

// number decodes a parameter's value, which has to be exactly one number.
func (d *decoder) number(field string, value []byte) uint64 {
	x, n, err := d.v.ParseVarint(value)
	d.must(err == nil && n == len(value), field, "not one number")
	return x
}
