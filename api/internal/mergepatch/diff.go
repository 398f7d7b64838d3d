package mergepatch

import "bytes"

// A Differ makes patches. It keeps its memory from one to the next; one
// goroutine at a time may use it.
type Differ struct {
	members []member // of the objects that are being compared, the innermost last
}

// Append appends to dst the patch that makes the document after of the document
// before, or {} if they have the same value: the order of keys does not count.
// It is false, with dst as it was, if no patch does: one of them is no object, a
// null would have to be written as a value, or an object that has to be looked
// into has a key twice. Objects within arrays are not looked into, since arrays
// are replaced as a whole.
//
// Both are compact JSON texts, as encoding/json writes them, and before is
// [Patchable]. What it appends keeps the numbers and keys as after has them.
func (d *Differ) Append(dst, before, after []byte) ([]byte, bool) {
	if !isObject(before) || !isObject(after) {
		return dst, false
	}
	d.members = d.members[:0]
	patch, ok := d.object(dst, before, after)
	if !ok {
		return dst, false
	}
	return patch, true
}

// Patchable reports whether a compact JSON text can be the first document of
// those that [Differ] makes patches for: it is an object, and no object in it,
// outside of arrays, has a key twice.
func Patchable(text []byte) bool { return isObject(text) && isClear(text, true) }

// object appends the patch of an object.
func (d *Differ) object(dst, before, after []byte) ([]byte, bool) {
	base := len(d.members)
	defer func() { d.members = d.members[:base] }()
	d.members = appendMembers(d.members, before)
	middle := len(d.members)
	d.members = appendMembers(d.members, after)
	end := len(d.members)
	// An inner object appends to the same slice, which may then lie elsewhere.
	olds, news := d.members[base:middle:middle], d.members[middle:end:end]
	if !sameKeys(olds, news) {
		return d.otherKeys(dst, olds, news)
	}
	dst = append(dst, '{')
	var ok bool
	for i := range news {
		if dst, ok = d.change(dst, olds[i].value, news[i]); !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}

func sameKeys(olds, news []member) bool {
	if len(olds) != len(news) {
		return false
	}
	for i := range news {
		if !bytes.Equal(olds[i].key, news[i].key) {
			return false
		}
	}
	return true
}

// otherKeys appends the patch of an object whose keys are others than before, or
// in another order.
func (d *Differ) otherKeys(dst []byte, olds, news []member) ([]byte, bool) {
	left := make(map[string][]byte, len(olds))
	for _, m := range olds {
		left[m.name()] = m.value
	}
	seen := make(map[string]bool, len(news))
	dst = append(dst, '{')
	for _, m := range news {
		name := m.name()
		if seen[name] {
			return dst, false
		}
		seen[name] = true
		old, there := left[name]
		delete(left, name)
		var ok bool
		if !there {
			dst, ok = add(dst, m)
		} else {
			dst, ok = d.change(dst, old, m)
		}
		if !ok {
			return dst, false
		}
	}
	for _, m := range olds {
		if _, gone := left[m.name()]; gone {
			dst = append(appendKey(dst, m.key), "null"...)
		}
	}
	return append(dst, '}'), true
}

// change appends what changes of a member that was there before, if anything.
func (d *Differ) change(dst, old []byte, m member) ([]byte, bool) {
	if bytes.Equal(old, m.value) {
		return dst, true
	}
	if !isObject(old) || !isObject(m.value) {
		return add(dst, m)
	}
	patch := appendKey(dst, m.key)
	value := len(patch)
	patch, ok := d.object(patch, old, m.value)
	if ok && len(patch) == value+len("{}") {
		return dst, true
	}
	return patch, ok
}

// add appends a member as it is.
func add(dst []byte, m member) ([]byte, bool) {
	if !isClear(m.value, false) {
		return dst, false
	}
	return append(appendKey(dst, m.key), m.value...), true
}

// appendKey appends a key and its colon to an object that is being written.
func appendKey(dst, key []byte) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(append(dst, key...), ':')
}

// isClear reports whether a value can stand in a patch: that it is no null, and
// no object in it has a null, unless nulls are allowed, or a key twice.
func isClear(value []byte, nulls bool) bool {
	if !isObject(value) {
		return nulls || !isNull(value)
	}
	members := appendMembers(nil, value)
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		name := m.name()
		if seen[name] || !isClear(m.value, nulls) {
			return false
		}
		seen[name] = true
	}
	return true
}
