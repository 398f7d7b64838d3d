package media

import (
	"encoding/json"
	"fmt"

	"github.com/moqlite/moqlite/api"
)

// maxTracks is how many tracks of a kind are read: what a document names in a few
// bytes takes many times that in memory.
const maxTracks = 10_000

// renditions reads a map by the names of tracks, each by read. It leaves out
// those that cannot be read, which read has told. nil if there are none.
func renditions[T any](f *fields, key, what string, read func(*fields) (T, bool)) map[api.TrackName]T {
	raw, ok := f.take(key)
	if !ok {
		f.told.add("%s: %s is wanted, be it {}", f.where, key)
		return nil
	}
	named, ok := fieldsOf(f.where+"."+key, raw, f.told)
	if !ok || len(named.left) == 0 {
		return nil
	}
	all := make(map[api.TrackName]T)
	for _, name := range named.names() {
		if len(all) == maxTracks {
			named.told.add("%s: more than %d are not read", named.where, maxTracks)
			break
		}
		one, ok := fieldsOf(fmt.Sprintf("%s %q", what, shorten(name)), named.left[name], f.told)
		if !ok {
			continue
		}
		if rendition, ok := read(one); ok {
			all[api.TrackName(name)] = rendition
		} else {
			f.told.add("%s: it is left out", one.where)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func parseVideoRendition(f *fields) (v VideoRendition, ok bool) {
	codec, hasCodec := f.codec()
	container, hasContainer := f.container()
	description, hasDescription := f.hex("description")
	if !hasCodec || !hasContainer || !hasDescription {
		return v, false
	}
	v = VideoRendition{Codec: codec, Container: container, Description: description}
	width, _ := f.integer("codedWidth", maxUint32)
	height, _ := f.integer("codedHeight", maxUint32)
	v.CodedSize = Size{int(width), int(height)}
	v.DisplayAspect = f.size("displayAspectWidth", "displayAspectHeight")
	if before := f.size("displayRatioWidth", "displayRatioHeight"); v.DisplayAspect == (Size{}) {
		v.DisplayAspect = before // of hang before 0.20
	}
	v.Framerate = f.number("framerate")
	v.Bitrate, _ = f.integer("bitrate", maxInteger)
	v.Jitter, v.Delay = f.milliseconds("jitter"), f.milliseconds("delay")
	v.Label, _ = f.text("label")
	v.Stalled = f.boolean("stalled")
	v.Broadcast, _ = f.text("broadcast")
	f.leaveOutUnfit()
	v.Extra = f.rest()
	return v, true
}

func parseAudioRendition(f *fields) (a AudioRendition, ok bool) {
	codec, hasCodec := f.codec()
	container, hasContainer := f.container()
	description, hasDescription := f.hex("description")
	rate, hasRate := f.least1("sampleRate")
	channels, hasChannels := f.least1("numberOfChannels")
	if !hasCodec || !hasContainer || !hasDescription || !hasRate || !hasChannels {
		return a, false
	}
	a = AudioRendition{Codec: codec, Container: container, Description: description, SampleRate: rate, Channels: channels}
	a.Bitrate, _ = f.integer("bitrate", maxInteger)
	a.Jitter, a.Delay = f.milliseconds("jitter"), f.milliseconds("delay")
	a.Label, _ = f.text("label")
	a.Broadcast, _ = f.text("broadcast")
	f.leaveOutUnfit()
	a.Extra = f.rest()
	return a, true
}

func parseTextRendition(f *fields) (r TextRendition, ok bool) {
	format, hasFormat := f.required("format")
	container, hasContainer := f.container()
	if !hasFormat || !hasContainer {
		return r, false
	}
	r = TextRendition{Format: format, Container: container}
	r.Role, _ = f.text("role")
	r.Lang, _ = f.text("lang")
	r.Label, _ = f.text("label")
	r.Jitter, r.Delay = f.milliseconds("jitter"), f.milliseconds("delay")
	r.Broadcast, _ = f.text("broadcast")
	r.Extra = f.rest()
	return r, true
}

func parseDataTrack(f *fields) (d DataTrack, ok bool) {
	d.Mode, ok = f.required("mode")
	if !ok {
		return d, false
	}
	d.Compression, _ = f.text("compression")
	d.Schema, _ = f.text("schema")
	d.Mime, _ = f.text("mime")
	d.Bitrate, _ = f.integer("bitrate", maxInteger)
	d.Jitter, d.Delay = f.milliseconds("jitter"), f.milliseconds("delay")
	d.Broadcast, _ = f.text("broadcast")
	d.Extra = f.rest()
	return d, true
}

// required reads a text without which a track cannot be read.
func (f *fields) required(key string) (string, bool) {
	_, there := f.left[key]
	s, ok := f.text(key)
	if !there || ok && s == "" {
		f.told.add("%s: %s is wanted", f.where, key)
		return "", false
	}
	return s, ok
}

// codec reads the codec. One that readers in Rust refuse is told.
func (f *fields) codec() (string, bool) {
	codec, ok := f.required("codec")
	if fault := codecFault(codec); ok && fault != "" {
		f.told.add("%s: codec is %q: %s", f.where, shorten(codec), fault)
	}
	return codec, ok
}

// least1 reads an integer that has to be there, and is not 0.
func (f *fields) least1(key string) (int, bool) {
	_, there := f.left[key]
	v, ok := f.integer(key, maxUint32)
	if !there || ok && v == 0 {
		f.told.add("%s: %s is wanted, and not 0", f.where, key)
		return 0, false
	}
	return int(v), ok
}

// container reads the container, which is Legacy if there is none; false if it
// cannot be read or is not known.
func (f *fields) container() (c Container, ok bool) {
	raw, there := f.left["container"]
	delete(f.left, "container")
	if !there {
		return c, true
	}
	in, ok := fieldsOf(f.where+": container", raw, f.told)
	if !ok {
		return c, false
	}
	kind, _ := in.text("kind")
	if c.Kind, ok = containerKind(kind); !ok {
		f.told.add("%s: container is %s: its kind is not known", f.where, short(raw))
		return c, false
	}
	if c.Kind == CMAF {
		if c.Init, ok = in.base64("init"); !ok || len(c.Init) == 0 {
			f.told.add("%s: container: init is wanted, the initialization segment", f.where)
			return c, false
		}
	}
	if len(in.left) > 0 {
		c.Raw = raw
	}
	return c, true
}

// leaveOutUnfit leaves out keys that have no field here but that readers know,
// where readers would refuse them.
func (f *fields) leaveOutUnfit() {
	for _, key := range f.names() {
		if wanted := unfit(key, f.left[key]); wanted != "" {
			f.wrong(key, f.left[key], wanted)
			delete(f.left, key)
		}
	}
}

// unfit says what readers want of a key in the Extra of a rendition of pictures
// or sound that they know; "" if they do not, or if raw is that.
func unfit(key string, raw json.RawMessage) string {
	switch key {
	case "optimizeForLatency", "stalled":
		if string(raw) != "true" && string(raw) != "false" {
			return "true or false is wanted"
		}
	case "timeline":
		var t told
		f, ok := fieldsOf(key, raw, &t)
		if ok {
			_, ok = f.text("track")
			f.integer("timescale", maxInteger)
			f.integer("wall", maxInteger)
		}
		if !ok || len(t) > 0 {
			return `an object is wanted with a "track", a "timescale" and perhaps a "wall"`
		}
	}
	return ""
}
