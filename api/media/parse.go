package media

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/moqlite/moqlite/api"
)

// ParseCatalog reads a catalog of hang, of any version: a rendition that cannot
// be read is left out, so is any other field, and the rest is read. Videos in an
// array and audio of a single track are read too, as hang once had them, and so
// are aspects by their old name.
//
// The errors of the list tell what was left out or is refused by real readers,
// the first 100; the last error is of a document that is no JSON object. All
// match [ErrCatalog], and name the field. ParseCatalog keeps nothing of doc.
func ParseCatalog(doc []byte) (*Catalog, []error, error) {
	var t told
	root, err := document(doc, &t)
	if err != nil {
		return nil, nil, err
	}
	c := &Catalog{Extra: make(map[string]json.RawMessage)}
	if raw, ok := root.take("video"); ok {
		c.Video = parseVideo(raw, &t)
	}
	if raw, ok := root.take("audio"); ok {
		c.Audio = parseAudio(raw, &t)
	}
	if raw, ok := root.take("text"); ok {
		c.parseText(raw, &t)
	}
	if raw, ok := root.take("json"); ok {
		c.JSON = c.parseData("json", raw, &t)
	}
	if raw, ok := root.take("binary"); ok {
		c.Binary = c.parseData("binary", raw, &t)
	}
	if raw, ok := root.take("clock"); ok {
		c.Clock = parseClock(raw, &t)
	}
	if raw, ok := root.take("archive"); ok {
		c.Archive = parseArchive(raw, &t)
	}
	for key, raw := range root.left {
		c.Extra[key] = raw
	}
	if len(c.Extra) == 0 {
		c.Extra = nil
	}
	if n := len(c.Video.Renditions) + len(c.Audio.Renditions) + len(c.Text.Renditions); n > maxRenditions {
		t.add("%d renditions: at most %d are wanted", n, maxRenditions)
	}
	return c, t, nil
}

// document reads the root of a document.
func document(doc []byte, t *told) (*fields, error) {
	if rest, ok := bytes.CutPrefix(doc, []byte("\ufeff")); ok {
		t.add("it begins with a byte order mark: leave it out")
		doc = rest
	}
	if valid := bytes.ToValidUTF8(doc, []byte("\ufffd")); len(valid) != len(doc) || !bytes.Equal(valid, doc) {
		t.add("it is not UTF-8")
		doc = valid
	}
	var root map[string]json.RawMessage
	switch err := json.Unmarshal(doc, &root); {
	case !json.Valid(doc):
		return nil, fmt.Errorf("%w: a document of %d bytes is not JSON: %w", ErrCatalog, len(doc), err)
	case !isObject(doc):
		return nil, fmt.Errorf("%w: the document is %s: an object is wanted", ErrCatalog, short(doc))
	}
	return &fields{where: "catalog", left: root, told: t}, nil
}

func parseVideo(raw []byte, t *told) (v Video) {
	f, ok := fieldsOf("video", modern("video", raw, t), t)
	if !ok {
		return v
	}
	v.Renditions = renditions(f, "renditions", "video rendition", parseVideoRendition)
	if raw, ok := f.take("display"); ok {
		if display, ok := fieldsOf("display", raw, t); ok {
			v.Display = display.size("width", "height")
		}
	}
	if raw, ok := f.take("rotation"); ok {
		degrees, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || math.Abs(degrees) > maxInteger {
			f.wrong("rotation", raw, "degrees are wanted, clockwise")
		} else {
			v.Rotation = int(math.Round(degrees))
		}
	}
	v.Flip = f.boolean("flip")
	v.Extra = f.rest()
	return v
}

func parseAudio(raw []byte, t *told) (a Audio) {
	f, ok := fieldsOf("audio", modern("audio", raw, t), t)
	if !ok {
		return a
	}
	a.Renditions = renditions(f, "renditions", "audio rendition", parseAudioRendition)
	a.Extra = f.rest()
	return a
}

// modern returns a section of the form that hang once had, which is a list of
// {"track":{"name":…},"config":{…}} or a single one, in today's form, and any
// other as it is. Readers in Rust refuse the old form.
func modern(section string, raw []byte, t *told) []byte {
	type track struct {
		Track struct {
			Name *string `json:"name"`
		} `json:"track"`
		Config json.RawMessage `json:"config"`
	}
	var list []track
	if hasMap(raw, "renditions") {
		return raw
	}
	if json.Unmarshal(raw, &list) != nil {
		list = make([]track, 1)
		if json.Unmarshal(raw, &list[0]) != nil || list[0].Track.Name == nil {
			return raw
		}
	}
	t.add("%s: it has the form of old: {\"renditions\":{…}} is wanted", section)
	configs := make(map[string]json.RawMessage)
	for i, old := range list {
		if old.Track.Name == nil || old.Config == nil {
			t.add("%s: number %d has no track.name or no config: it is left out", section, i)
			continue
		}
		configs[*old.Track.Name] = old.Config
	}
	today, err := json.Marshal(map[string]any{"renditions": configs})
	if err != nil {
		return raw
	}
	return today
}

// parseText reads the section text. If that has no renditions, it is the
// application's own.
func (c *Catalog) parseText(raw []byte, t *told) {
	if !hasMap(raw, "renditions") {
		c.Extra["text"] = raw
		return
	}
	f, _ := fieldsOf("text", raw, t)
	c.Text.Renditions = renditions(f, "renditions", "text rendition", parseTextRendition)
	c.Text.Extra = f.rest()
}

// parseData reads the section json or binary. If that has no tracks, it is the
// application's own.
func (c *Catalog) parseData(key string, raw []byte, t *told) map[api.TrackName]DataTrack {
	if !hasMap(raw, "tracks") {
		c.Extra[key] = raw
		return nil
	}
	f, _ := fieldsOf(key, raw, t)
	tracks := renditions(f, "tracks", key+" track", parseDataTrack)
	if len(f.left) > 0 {
		if rest, err := json.Marshal(f.left); err == nil {
			c.Extra[key] = rest
		}
	}
	return tracks
}

// hasMap reports whether raw is an object that has an object by a name.
func hasMap(raw []byte, name string) bool {
	m, ok := members(raw)
	return ok && isObject(m[name])
}

func parseClock(raw []byte, t *told) *Clock {
	f, ok := fieldsOf("clock", raw, t)
	if !ok {
		return nil
	}
	wall, hasWall := f.integer("wall", maxInteger)
	_, hasScale := f.left["timescale"]
	timescale, read := f.integer("timescale", maxUint32)
	if !hasWall || hasScale && (!read || timescale == 0) {
		t.add("clock: it is left out: a wall is wanted, and a timescale above 0 if there is one")
		return nil
	}
	return &Clock{Wall: wall, Timescale: timescale, Extra: f.rest()}
}

func parseArchive(raw []byte, t *told) *Archive {
	f, ok := fieldsOf("archive", raw, t)
	if !ok {
		return nil
	}
	var a Archive
	track, ok := f.text("track")
	if !ok {
		t.add("archive: track is wanted: it is left out")
		return nil
	}
	a.Track = api.TrackName(track)
	a.Timescale, _ = f.integer("timescale", maxUint32)
	a.DurationMax, _ = f.integer("durationMax", maxInteger)
	a.Replay, _ = f.text("replay")
	a.Store, _ = f.text("store")
	a.Version, _ = f.integer("version", maxUint32)
	a.Extra = f.rest()
	return &a
}
