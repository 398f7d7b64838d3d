package media

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/moqlite/moqlite/api/internal/mergepatch"
)

// An object is a JSON object that is written. Zero values are left out. What
// real readers refuse is a fault; the first counts.
type object struct {
	where  string // as errors name it
	fields map[string]any
	fault  *error
}

func newObject(where string, fault *error) *object {
	return &object{where: where, fields: make(map[string]any), fault: fault}
}

// refuse notes a fault: what is wrong, and what to do.
func (o *object) refuse(format string, args ...any) {
	if *o.fault == nil {
		*o.fault = fmt.Errorf("%w: %s: "+format, append([]any{ErrCatalog, o.where}, args...)...)
	}
}

func (o *object) text(key, s string) {
	if !utf8.ValidString(s) {
		o.refuse("%s is %q, which is not UTF-8", key, shorten(s))
	}
	if s != "" {
		o.fields[key] = s
	}
}

func (o *object) boolean(key string, b bool) {
	if b {
		o.fields[key] = true
	}
}

func (o *object) integer(key string, v, highest uint64) {
	if v > highest {
		o.refuse("%s is %d: readers take at most %d", key, v, highest)
	}
	if v != 0 {
		o.fields[key] = v
	}
}

func (o *object) int(key string, v int) {
	if v < 0 {
		o.refuse("%s is %d: it has to be at least 0", key, v)
		return
	}
	o.integer(key, uint64(v), maxUint32)
}

// needed writes an integer that has to be there.
func (o *object) needed(key string, v int) {
	if v <= 0 {
		o.refuse("%s is %d: set it", key, v)
	}
	o.int(key, v)
}

func (o *object) number(key string, v float64) {
	if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		o.refuse("%s is %v: a number of at least 0 is wanted", key, v)
	} else if v != 0 {
		o.fields[key] = v
	}
}

// milliseconds writes d, rounded up to whole milliseconds: readers refuse
// fractions, and size their buffers by it.
func (o *object) milliseconds(key string, d time.Duration) {
	if d < 0 {
		o.refuse("%s is %v: it has to be at least 0", key, d)
		return
	}
	ms := d / time.Millisecond
	if d%time.Millisecond > 0 {
		ms++
	}
	o.integer(key, uint64(ms), maxInteger)
}

func (o *object) hex(key string, b []byte) {
	if b != nil {
		o.fields[key] = hex.EncodeToString(b)
	}
}

// size writes two integers that have to be there together.
func (o *object) size(width, height string, s Size) {
	if (s.Width == 0) != (s.Height == 0) {
		o.refuse("%s is %d and %s %d: set both, or neither", width, s.Width, height, s.Height)
	}
	o.int(width, s.Width)
	o.int(height, s.Height)
}

// codec writes the codec, which has to be there.
func (o *object) codec(codec string) {
	if fault := codecFault(codec); fault != "" {
		o.refuse("codec is %q: %s", shorten(codec), fault)
	}
	o.text("codec", codec)
}

// container writes the container, and what was read with it that is not known.
// Its kind is always written, as all publishers do.
func (o *object) container(c Container) {
	if _, known := containerKind(c.Kind.String()); !known {
		o.refuse("container: kind is %d: it has to be Legacy, CMAF or LOC", c.Kind)
	}
	in := newObject(o.where+": container", o.fault)
	if c.Raw != nil {
		rest, ok := members(c.Raw)
		if !ok {
			in.refuse("Raw is %s: an object is wanted, or nil", short(c.Raw))
		}
		delete(rest, "kind")
		delete(rest, "init")
		in.extra(rest, nil)
	}
	in.fields["kind"] = c.Kind.String()
	switch {
	case c.Kind == CMAF && len(c.Init) == 0:
		in.refuse("init is empty: CMAF has an initialization segment")
	case c.Kind == CMAF:
		in.fields["init"] = base64.StdEncoding.EncodeToString(c.Init)
	case c.Init != nil:
		in.refuse("Init is set: only CMAF has an initialization segment")
	}
	o.fields["container"] = in.fields
}

// extra writes the keys that are not known. None of them may be the name of a
// field, and check, if it is not nil, says what readers want instead of a value.
func (o *object) extra(extra map[string]json.RawMessage, check func(key string, raw json.RawMessage) string, known ...string) {
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		raw := extra[key]
		if _, taken := o.fields[key]; taken || slices.Contains(known, key) {
			o.refuse("Extra has %q: set the field of that name", shorten(key))
			continue
		}
		if !utf8.ValidString(key) {
			o.refuse("Extra has the key %q, which is not UTF-8", shorten(key))
			continue
		}
		v, fault := plain(raw)
		if fault == "" && check != nil {
			fault = check(key, raw)
		}
		if fault != "" {
			o.refuse("Extra[%q] is %s: %s", shorten(key), short(raw), fault)
			continue
		}
		o.fields[key] = v
	}
}

// maxDepth is how deep values of an Extra may be nested: readers in Rust give up
// at 128, from the root.
const maxDepth = 100

// surrogate is an escape of half a character outside of the basic plane.
var surrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// plain returns what is written of a value that all readers take, which is as it
// was read where that can be, and otherwise why they do not.
func plain(raw json.RawMessage) (v any, fault string) {
	v, err := mergepatch.Decode(raw)
	switch {
	case err != nil:
		return nil, "it is not JSON"
	case !utf8.Valid(raw):
		return nil, "it is not UTF-8"
	}
	fault = plainFault(v, maxDepth)
	if fault == "" && !surrogate.Match(raw) { // readers in Rust refuse half characters
		return raw, ""
	}
	return v, fault
}

func plainFault(v any, depth int) string {
	if depth == 0 {
		return "it is nested more than " + strconv.Itoa(maxDepth) + " deep"
	}
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err != nil || math.IsInf(f, 0) {
			return "the number " + shorten(v.String()) + " is too large for readers"
		}
	case []any:
		for _, one := range v {
			if fault := plainFault(one, depth-1); fault != "" {
				return fault
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if fault := plainFault(v[key], depth-1); fault != "" {
				return fault
			}
		}
	}
	return ""
}

// append appends the object as JSON, if there was no fault.
func (o *object) append(dst []byte) ([]byte, error) {
	if *o.fault != nil {
		return dst, *o.fault
	}
	return mergepatch.Append(dst, o.fields)
}

// quoted is the name of a track as errors have it.
func quoted(what, name string) string {
	return what + " " + strconv.Quote(shorten(strings.ToValidUTF8(name, "?")))
}
