package media

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// Append appends the catalog as a document of hang: JSON, with sorted keys, and
// without fields that are zero, but for the container of a rendition. Jitter and
// Delay are rounded up to whole milliseconds. What is in Description and Init is
// not looked into.
//
// A reader that dislikes one field refuses the whole document, and nothing of
// the broadcast plays. So Append writes only what all real readers take: after
// an error, which matches [ErrCatalog], names the field and says what to do, dst
// is returned as it was. What Append has written, [ParseCatalog] reads as the
// same catalog, and without a complaint.
//
// One thing it cannot see: a Broadcast that goes above the root, from the path
// that the catalog is published at. See [ResolveBroadcast].
func (c *Catalog) Append(dst []byte) ([]byte, error) {
	var fault error
	root := newObject("catalog", &fault)
	if n := len(c.Video.Renditions) + len(c.Audio.Renditions) + len(c.Text.Renditions); n > maxRenditions {
		root.refuse("there are %d renditions: readers take at most %d", n, maxRenditions)
	}
	c.Video.write(root)
	c.Audio.write(root)
	c.Text.write(root)
	c.Clock.write(root)
	c.Archive.write(root)
	rest := maps.Clone(c.Extra)
	writeData(root, "json", c.JSON, rest)
	writeData(root, "binary", c.Binary, rest)
	for _, key := range []string{"text", "json", "binary"} {
		if m, ok := members(rest[key]); ok && isObject(m[mapOf(key)]) {
			root.refuse("Extra[%q] has %s: set the field of that name", key, mapOf(key))
		}
	}
	root.extra(rest, nil, "video", "audio", "clock", "archive")
	return root.append(dst)
}

// mapOf is the name of the map of tracks within a section.
func mapOf(section string) string {
	if section == "json" || section == "binary" {
		return "tracks"
	}
	return "renditions"
}

// written returns a map by the names of tracks, each written by write.
func written[T any](o *object, what string, tracks map[api.TrackName]T, write func(*object, T)) map[string]any {
	all := make(map[string]any, len(tracks))
	for _, name := range slices.Sorted(maps.Keys(tracks)) {
		one := newObject(quoted(what, string(name)), o.fault)
		if err := name.Validate(); err != nil {
			one.refuse("its name: %v", err)
		}
		write(one, tracks[name])
		all[string(name)] = one.fields
	}
	return all
}

func (v *Video) write(root *object) {
	section := newObject("video", root.fault)
	display := newObject("video: display", root.fault)
	display.size("width", "height", v.Display)
	if len(display.fields) > 0 {
		section.fields["display"] = display.fields
	}
	if v.Rotation != 0 {
		section.fields["rotation"] = v.Rotation
	}
	section.boolean("flip", v.Flip)
	section.extra(v.Extra, nil, "renditions", "display", "rotation", "flip")
	if len(v.Renditions)+len(section.fields) > 0 {
		section.fields["renditions"] = written(section, "video rendition", v.Renditions, (*object).video)
		root.fields["video"] = section.fields
	}
}

func (a *Audio) write(root *object) {
	section := newObject("audio", root.fault)
	section.extra(a.Extra, nil, "renditions")
	if len(a.Renditions)+len(section.fields) > 0 {
		section.fields["renditions"] = written(section, "audio rendition", a.Renditions, (*object).audio)
		root.fields["audio"] = section.fields
	}
}

func (t *Text) write(root *object) {
	section := newObject("text", root.fault)
	section.extra(t.Extra, nil, "renditions")
	if len(t.Renditions)+len(section.fields) > 0 {
		section.fields["renditions"] = written(section, "text rendition", t.Renditions, (*object).textRendition)
		root.fields["text"] = section.fields
	}
}

// writeData writes a section of data tracks, with what else rest has of it.
func writeData(root *object, key string, tracks map[api.TrackName]DataTrack, rest map[string]json.RawMessage) {
	if len(tracks) == 0 {
		return
	}
	section := newObject(key, root.fault)
	if raw, ok := rest[key]; ok {
		others, isObject := members(raw)
		if !isObject {
			root.refuse("Extra[%q] is %s beside tracks: an object is wanted, or nothing", key, short(raw))
		}
		section.extra(others, nil, "tracks")
		delete(rest, key)
	}
	section.fields["tracks"] = written(section, key+" track", tracks, (*object).data)
	root.fields[key] = section.fields
}

func (c *Clock) write(root *object) {
	if c == nil {
		return
	}
	o := newObject("clock", root.fault)
	o.integer("wall", c.Wall, maxInteger)
	o.fields["wall"] = c.Wall // 0 too
	o.integer("timescale", c.Timescale, maxUint32)
	o.extra(c.Extra, nil, "wall", "timescale")
	root.fields["clock"] = o.fields
}

func (a *Archive) write(root *object) {
	if a == nil {
		return
	}
	o := newObject("archive", root.fault)
	if a.Track == "" {
		o.refuse("track is empty: name the track of its timeline")
	}
	o.text("track", string(a.Track))
	o.integer("timescale", a.Timescale, maxUint32)
	o.integer("durationMax", a.DurationMax, maxInteger)
	o.text("replay", a.Replay)
	if store, err := url.Parse(a.Store); a.Store != "" && (err != nil || !store.IsAbs()) {
		o.refuse("store is %q: an absolute URL is wanted", shorten(a.Store))
	}
	o.text("store", a.Store)
	o.integer("version", a.Version, maxUint32)
	o.extra(a.Extra, nil, "track", "timescale", "durationMax", "replay", "store", "version")
	root.fields["archive"] = o.fields
}
