package message

import (
	"fmt"
	"unicode/utf8"
)

// A decoder reads the fields of a message from its body. After the first error every
// field is zero, and finish returns the error.
type decoder struct {
	v    *Version
	name string // of the message
	b    []byte // the rest of the body
	err  error
}

func decode(v *Version, name string, body []byte) decoder {
	return decoder{v: v, name: name, b: body}
}

// fail makes the message malformed; why completes "the field is …".
func (d *decoder) fail(field, why string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: %s is %s: %w", d.name, field, why, ErrMalformed)
	}
	d.b = nil
}

// must makes the message malformed unless ok.
func (d *decoder) must(ok bool, field, why string) {
	if !ok {
		d.fail(field, why)
	}
}

// exists makes the message malformed unless ok: the version has it.
func (d *decoder) exists(ok bool) {
	if !ok && d.err == nil {
		d.err = fmt.Errorf("%s: no such message in %s: %w", d.name, d.v.Name, ErrMalformed)
	}
}

// finish returns the first error, or one if bytes are left over.
func (d *decoder) finish() error {
	if d.err == nil && len(d.b) > 0 {
		return fmt.Errorf("%s: %d bytes are left over: %w", d.name, len(d.b), ErrMalformed)
	}
	return d.err
}

func (d *decoder) uint8(field string) uint8 {
	if d.err != nil || len(d.b) == 0 {
		d.fail(field, "cut off")
		return 0
	}
	x := d.b[0]
	d.b = d.b[1:]
	return x
}

func (d *decoder) varint(field string) uint64 {
	if d.err != nil {
		return 0
	}
	x, n, err := d.v.ParseVarint(d.b)
	if err != nil {
		d.fail(field, "cut off")
		return 0
	}
	d.b = d.b[n:]
	return x
}

// bytes reads a length and that many bytes. The result shares the body's memory.
func (d *decoder) bytes(field string) []byte {
	n := d.varint(field)
	if d.err != nil || n > uint64(len(d.b)) {
		d.fail(field, "cut off")
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) string(field string) string {
	b := d.bytes(field)
	if !utf8.Valid(b) {
		d.fail(field, "not UTF-8")
		return ""
	}
	return string(b)
}

func (d *decoder) path(field string) string {
	p := d.string(field)
	if _, segments := measurePath(p); segments > MaxSegments {
		d.fail(field, "of more than 32 segments")
		return ""
	}
	return CleanPath(p)
}

func (d *decoder) hops() []uint64 {
	n := d.varint("hops")
	d.must(n <= MaxHops, "hops", "longer than 32")
	if d.err != nil || n == 0 {
		return nil
	}
	hops := make([]uint64, n)
	for i := range hops {
		hops[i] = d.varint("hops")
	}
	d.must(d.err != nil || !repeats(hops), "hops", "a loop")
	return hops
}
