package media

import (
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/moqlite/moqlite/api"
)

// ErrCatalog is matched by every error that tells what is wrong with a catalog:
// that a document cannot be read, or that real readers would refuse it.
var ErrCatalog = errors.New("bad catalog")

// A Catalog names the tracks of a broadcast, and says what each holds: the
// content of its catalog track, in hang's form (draft-lcurley-moq-hang) or that
// of MSF (draft-ietf-moq-msf). The zero value is the catalog of a broadcast
// without tracks.
//
// Every Extra has the keys of its object that are not known here, as they were
// read, so that they survive when a catalog is read, changed and written.
type Catalog struct {
	Video Video // tracks of pictures
	Audio Audio // tracks of sound
	Text  Text  // tracks of captions and subtitles; not in MSF

	// JSON and Binary are tracks of data; not in MSF.
	JSON, Binary map[api.TrackName]DataTrack

	Clock   *Clock   // the wall clock of the broadcast; nil: not told; not in MSF
	Archive *Archive // where what has passed can be had; nil: nowhere; not in MSF

	// Extra has the keys of the document that are none of the above. A "text",
	// "json" or "binary" is here if it is something of the application's own;
	// so is what a "json" or a "binary" has beside its tracks.
	Extra map[string]json.RawMessage
}

// Video is the tracks of pictures, all of the same content, of which a reader
// picks one, and how they are shown.
type Video struct {
	Renditions map[api.TrackName]VideoRendition // by the names of their tracks

	Display  Size // of the picture as it is shown, in pixels, after its rotation
	Rotation int  // by how many degrees it is turned to be shown, clockwise
	Flip     bool // it is then mirrored, left to right

	Extra map[string]json.RawMessage // keys that are none of the above
}

// Audio is the tracks of sound, all of the same content, of which a reader picks
// one.
type Audio struct {
	Renditions map[api.TrackName]AudioRendition // by the names of their tracks

	Extra map[string]json.RawMessage // other keys
}

// Text is the tracks of captions and subtitles.
type Text struct {
	Renditions map[api.TrackName]TextRendition // by the names of their tracks

	Extra map[string]json.RawMessage // other keys
}

// A TextRendition is one track of captions or subtitles: a cue a frame, whose
// timestamp is the cue's start. Format is always there.
type TextRendition struct {
	Format    string        // "vtt", "ttml", "utf8", or another
	Role      string        // "subtitle", which "" is too, "caption", or another
	Lang      string        // language tag (BCP 47); "": not known
	Label     string        // what a person calls it
	Container Container     // how a frame of the track holds its cue
	Jitter    time.Duration // the longest that a cue waits between being ready and being sent
	Delay     time.Duration // how far it is behind the earliest rendition

	// Broadcast is the relative path of the broadcast that has the track; ""
	// is the catalog's own. See [ResolveBroadcast].
	Broadcast string

	Extra map[string]json.RawMessage // keys that are none of the above
}

// A DataTrack is one track of data, as JSON or in bytes. Mode is always there;
// a reader ignores a track whose Mode or Compression it does not know.
type DataTrack struct {
	Mode        string        // "snapshot", "stream", "window", or another
	Compression string        // "deflate", or another; "": none
	Schema      string        // of a JSON track: what names the shape of its values
	Mime        string        // of a binary track: the type of its values
	Bitrate     uint64        // bits a second, at most; 0: not known
	Jitter      time.Duration // the longest that a frame waits between being ready and being sent
	Delay       time.Duration // how far it is behind the earliest rendition

	// Broadcast is the relative path of the broadcast that has the track; ""
	// is the catalog's own. See [ResolveBroadcast].
	Broadcast string

	Extra map[string]json.RawMessage // keys that are none of the above
}

// An Archive says where what has passed of a broadcast is listed, and can be
// had. Track is always there.
type Archive struct {
	Track       api.TrackName // the track that lists the segments, a "window" of JSON, deflated
	Timescale   uint64        // units a second of its times; 0: 1000
	DurationMax uint64        // of a segment, in that timescale; 0: not known
	Replay      string        // relative path of the broadcast that has the old groups; "": this one
	Store       string        // URL of the recorded objects; "": none
	Version     uint64        // of the form of those objects; 0: not told

	Extra map[string]json.RawMessage // keys that are none of the above
}

// A Clock is the wall clock of a broadcast: what time it was at the beginning of
// its media's clock, where PTS is 0.
type Clock struct {
	Wall      uint64 // since 2020-01-01T00:00:00Z, in units of the timescale
	Timescale uint64 // units a second; 0: 1,000,000

	Extra map[string]json.RawMessage // keys that are none of the above
}

// wallEpoch is what a [Clock] counts from.
var wallEpoch = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)

// ClockAt returns the clock of a broadcast whose PTS 0 was at t, to the
// microsecond. A time before 2020 is taken for its beginning.
func ClockAt(t time.Time) *Clock {
	return &Clock{Wall: uint64(max(t.UnixMicro()-wallEpoch.UnixMicro(), 0)), Timescale: microseconds}
}

// Time returns the wall time of pts; false if the clock is beyond what a
// time.Duration reaches, 292 years.
func (c *Clock) Time(pts time.Duration) (time.Time, bool) {
	timescale := c.Timescale
	if timescale == 0 {
		timescale = microseconds
	}
	wall, ok := duration(c.Wall, timescale)
	return wallEpoch.Add(wall).Add(pts), ok
}

// IsEmpty reports whether a catalog names no track at all.
func (c *Catalog) IsEmpty() bool {
	return len(c.Video.Renditions)+len(c.Audio.Renditions)+len(c.Text.Renditions)+len(c.JSON)+len(c.Binary) == 0
}

// The bounds of the integers in a catalog: those of the readers in JavaScript,
// whose numbers are exact up to 2^53, and of those in Rust.
const (
	maxInteger = 1<<53 - 1
	maxUint32  = math.MaxUint32
)

// maxRenditions is how many pictures, sounds and texts together a catalog may
// have before real readers refuse it.
const maxRenditions = 64
