package media

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/moqlite/moqlite/api"
)

// msfVersion is the version of MSF that is written (draft-ietf-moq-msf-01).
const msfVersion = "draft-01"

// ParseMSF reads a catalog of MSF (draft-ietf-moq-msf-01, and 00): the tracks
// whose role is "video" or "audio". It leaves out, without a word, tracks of any
// other role, since a [Catalog] has no place for them, and reads all else as
// softly as [ParseCatalog], whose errors it has. What a track has beyond a
// rendition, such as "isLive", is in the Extra of that.
func ParseMSF(doc []byte) (*Catalog, []error, error) {
	var t told
	root, err := document(doc, &t)
	if err != nil {
		return nil, nil, err
	}
	if version, ok := root.take("version"); !ok || string(version) != "1" && version[0] != '"' {
		root.told.add(`catalog: version is %s: "draft-01" is wanted`, short(version))
	}
	raw, ok := root.take("tracks")
	var tracks []json.RawMessage
	if ok && json.Unmarshal(raw, &tracks) != nil {
		root.wrong("tracks", raw, "a list is wanted")
	}
	p := msfParser{told: &t, inits: parseInits(root)}
	for i, track := range tracks[:min(len(tracks), maxTracks)] {
		p.track(i, track)
	}
	if len(tracks) > maxTracks {
		root.told.add("tracks: more than %d are not read", maxTracks)
	}
	for _, key := range root.names() {
		if wanted := unfitMSF(key, root.left[key]); wanted != "" {
			root.wrong(key, root.left[key], wanted)
			delete(root.left, key)
		}
	}
	p.catalog.Extra = root.rest()
	if n := len(p.catalog.Video.Renditions) + len(p.catalog.Audio.Renditions); n > maxRenditions {
		t.add("%d renditions: at most %d are wanted", n, maxRenditions)
	}
	return &p.catalog, t, nil
}

// An msfParser gathers the renditions of an MSF catalog.
type msfParser struct {
	told    *told
	inits   map[string]json.RawMessage // initialization data by its id
	catalog Catalog
}

// parseInits reads the list of initialization data.
func parseInits(root *fields) map[string]json.RawMessage {
	raw, ok := root.take("initDataList")
	if !ok {
		return nil
	}
	var list []struct {
		ID   string          `json:"id"`
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(raw, &list) != nil {
		root.wrong("initDataList", raw, `a list of "id", "type" and "data" is wanted`)
	}
	inits := make(map[string]json.RawMessage, len(list))
	for _, init := range list {
		if init.Type == "inline" {
			inits[init.ID] = init.Data
		}
	}
	return inits
}

// track reads one track.
func (p *msfParser) track(i int, raw []byte) {
	f, ok := fieldsOf(fmt.Sprintf("track %d", i), raw, p.told)
	if !ok {
		return
	}
	name, ok := f.text("name")
	if !ok {
		f.told.add("%s: name is wanted: it is left out", f.where)
		return
	}
	f.where = quoted("track", name)
	role, ok := f.text("role")
	switch {
	case !ok:
		f.told.add("%s: role is wanted: it is left out", f.where)
	case role == "video":
		if v, ok := p.video(f); ok {
			put(&p.catalog.Video.Renditions, name, v)
			return
		}
		f.told.add("%s: it is left out", f.where)
	case role == "audio":
		if a, ok := p.audio(f); ok {
			put(&p.catalog.Audio.Renditions, name, a)
			return
		}
		f.told.add("%s: it is left out", f.where)
	}
}

func put[T any](m *map[api.TrackName]T, name string, v T) {
	if *m == nil {
		*m = make(map[api.TrackName]T)
	}
	(*m)[api.TrackName(name)] = v
}

func (p *msfParser) video(f *fields) (v VideoRendition, ok bool) {
	codec, hasCodec := f.codec()
	container, description, hasContainer := p.container(f)
	if !hasCodec || !hasContainer {
		return v, false
	}
	v = VideoRendition{Codec: codec, Container: container, Description: description}
	width, _ := f.integer("width", maxUint32)
	height, _ := f.integer("height", maxUint32)
	v.CodedSize = Size{int(width), int(height)}
	v.Framerate = f.number("framerate")
	v.Stalled = f.boolean("stalled")
	v.Bitrate, _ = f.integer("bitrate", maxInteger)
	v.Jitter, v.Delay = f.milliseconds("jitter"), f.milliseconds("delay")
	v.Label, _ = f.text("label")
	v.Extra = f.msfRest()
	return v, true
}

func (p *msfParser) audio(f *fields) (a AudioRendition, ok bool) {
	codec, hasCodec := f.codec()
	container, description, hasContainer := p.container(f)
	rate, hasRate := f.least1("samplerate")
	config, _ := f.text("channelConfig")
	channels, err := strconv.ParseUint(config, 10, 32)
	if err != nil || channels == 0 {
		f.told.add("%s: channelConfig is %q: the number of channels is wanted, as a string", f.where, shorten(config))
	}
	if !hasCodec || !hasContainer || !hasRate || err != nil || channels == 0 {
		return a, false
	}
	a = AudioRendition{Codec: codec, Container: container, Description: description, SampleRate: rate, Channels: int(channels)}
	a.Bitrate, _ = f.integer("bitrate", maxInteger)
	a.Jitter, a.Delay = f.milliseconds("jitter"), f.milliseconds("delay")
	a.Label, _ = f.text("label")
	a.Extra = f.msfRest()
	return a, true
}

// container reads the packaging, and the initialization data, which is that of
// the container CMAF, or else of the decoder.
func (p *msfParser) container(f *fields) (c Container, description []byte, ok bool) {
	packaging, _ := f.text("packaging")
	if c.Kind, ok = containerKind(packaging); !ok {
		f.told.add("%s: packaging is %q, which is not known", f.where, shorten(packaging))
		return c, nil, false
	}
	ref, hasRef := f.text("initRef")
	if _, inline := f.left["initData"]; !inline && hasRef {
		data, there := p.inits[ref]
		if !there {
			f.told.add("%s: initRef is %q, which is not in initDataList, or not inline", f.where, shorten(ref))
			return c, nil, false
		}
		f.left["initData"] = data
	}
	_, there := f.left["initData"]
	init, read := f.base64("initData")
	switch {
	case c.Kind == CMAF && len(init) == 0:
		f.told.add("%s: initRef is wanted, of the initialization segment", f.where)
		return c, nil, false
	case there && !read:
		return c, nil, false
	case c.Kind == CMAF:
		c.Init = init
		return c, nil, true
	}
	return c, init, true
}

// msfRest returns what is left of a track, without what readers would refuse.
func (f *fields) msfRest() map[string]json.RawMessage {
	for _, key := range f.names() {
		if wanted := unfitMSF(key, f.left[key]); wanted != "" {
			f.wrong(key, f.left[key], wanted)
			delete(f.left, key)
		}
	}
	return f.rest()
}

// unfitMSF says what readers want of a key of MSF that has no field here; "" if
// they do not know it, or if raw is that.
func unfitMSF(key string, raw json.RawMessage) string {
	highest := uint64(maxUint32)
	switch key {
	case "isLive", "isComplete":
		if string(raw) != "true" && string(raw) != "false" {
			return "true or false is wanted"
		}
		return ""
	case "stalled":
		return unfit(key, raw)
	case "generatedAt":
		highest = maxInteger
	case "maxGrpSapStartingType", "maxObjSapStartingType":
		highest = 255
	case "renderGroup", "altGroup":
	case "width", "height", "framerate", "samplerate", "channelConfig", "initData", "initRef":
		return "it has no place here: leave it out"
	default:
		return ""
	}
	if v, err := strconv.ParseUint(string(raw), 10, 64); err != nil || v > highest {
		return "an integer from 0 to " + strconv.FormatUint(highest, 10) + " is wanted"
	}
	return ""
}
