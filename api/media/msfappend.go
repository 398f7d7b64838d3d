package media

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/moqlite/moqlite/api"
)

// AppendMSF appends the catalog as a document of MSF (draft-ietf-moq-msf-01):
// JSON, with sorted keys, pictures before sound. MSF has no place for Text, JSON,
// Binary, Clock and Archive, nor for how pictures are shown, so those are left
// out. A track is live ("isLive"), and of "renderGroup" 1, if its Extra does not
// say otherwise.
//
// It is as strict as [Catalog.Append], and also refuses a Broadcast other than the
// catalog's own. What it has written, [ParseMSF] reads without a complaint.
func (c *Catalog) AppendMSF(dst []byte) ([]byte, error) {
	var fault error
	root := newObject("catalog", &fault)
	if n := len(c.Video.Renditions) + len(c.Audio.Renditions); n > maxRenditions {
		root.refuse("there are %d renditions: readers take at most %d", n, maxRenditions)
	}
	m := msfWriter{root: root, tracks: []any{}, ids: make(map[string]string)}
	for _, name := range slices.Sorted(maps.Keys(c.Video.Renditions)) {
		m.video(name, c.Video.Renditions[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Audio.Renditions)) {
		m.audio(name, c.Audio.Renditions[name])
	}
	root.fields["version"] = msfVersion
	root.fields["tracks"] = m.tracks
	if len(m.inits) > 0 {
		root.fields["initDataList"] = m.inits
	}
	root.extra(c.Extra, unfitMSF, "initDataList")
	return root.append(dst)
}

// An msfWriter gathers the tracks of an MSF catalog, and their initialization
// data, of which equal ones are written once.
type msfWriter struct {
	root   *object
	tracks []any
	inits  []any
	ids    map[string]string // by the data
}

// track begins a track with what all have.
func (m *msfWriter) track(name api.TrackName, role, codec string, c Container, description []byte, broadcast string) *object {
	o := newObject(quoted("track", string(name)), m.root.fault)
	if err := name.Validate(); err != nil {
		o.refuse("its name: %v", err)
	}
	o.fields["name"], o.fields["role"] = string(name), role
	o.codec(codec)
	o.container(c) // for its faults
	delete(o.fields, "container")
	o.fields["packaging"] = c.Kind.String()
	if broadcast != "" {
		o.refuse("broadcast is %q: MSF has tracks of its own broadcast alone", shorten(broadcast))
	}
	init := c.Init
	if c.Kind != CMAF {
		init = description
	}
	if init != nil {
		o.fields["initRef"] = m.init(init)
	}
	m.tracks = append(m.tracks, o.fields)
	return o
}

// init returns the id of initialization data.
func (m *msfWriter) init(data []byte) string {
	id, ok := m.ids[string(data)]
	if !ok {
		id = "init" + strconv.Itoa(len(m.inits))
		m.ids[string(data)] = id
		m.inits = append(m.inits, map[string]any{"id": id, "type": "inline", "data": base64.StdEncoding.EncodeToString(data)})
	}
	return id
}

func (m *msfWriter) video(name api.TrackName, v VideoRendition) {
	o := m.track(name, "video", v.Codec, v.Container, v.Description, v.Broadcast)
	o.int("width", v.CodedSize.Width)
	o.int("height", v.CodedSize.Height)
	o.number("framerate", v.Framerate)
	o.boolean("stalled", v.Stalled)
	o.milliseconds("jitter", v.Jitter)
	o.milliseconds("delay", v.Delay)
	o.rest(v.Bitrate, v.Label, 2, v.Extra, "stalled")
}

func (m *msfWriter) audio(name api.TrackName, a AudioRendition) {
	o := m.track(name, "audio", a.Codec, a.Container, a.Description, a.Broadcast)
	o.needed("samplerate", a.SampleRate)
	if a.Channels <= 0 || a.Channels > maxUint32 {
		o.refuse("channelConfig is %d: set Channels", a.Channels)
	}
	o.fields["channelConfig"] = strconv.Itoa(a.Channels)
	o.milliseconds("jitter", a.Jitter)
	o.milliseconds("delay", a.Delay)
	o.rest(a.Bitrate, a.Label, 1, a.Extra)
}

// rest writes what pictures and sound have in common, and what a track of MSF has
// beyond a rendition: what Rust publishers write, if extra does not say otherwise.
// sap is the type of stream access point that groups and frames begin with, 1 for
// sound and 2 for pictures.
func (o *object) rest(bitrate uint64, label string, sap int, extra map[string]json.RawMessage, known ...string) {
	o.integer("bitrate", bitrate, maxInteger)
	o.text("label", label)
	o.extra(extra, unfitMSF, append(known, "jitter", "delay", "label", "bitrate")...)
	for key, usual := range map[string]any{"isLive": true, "renderGroup": 1, "maxGrpSapStartingType": sap, "maxObjSapStartingType": sap} {
		if _, ok := o.fields[key]; !ok {
			o.fields[key] = usual
		}
	}
}
