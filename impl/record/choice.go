package record

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// ErrNoRendition is matched by the error of a catalog that has nothing that the
// [Choice] allows. It lists what there is.
var ErrNoRendition = errors.New("no such rendition")

// A Choice says what of a broadcast is recorded. The zero value, and a nil
// *Choice, are the best pictures and the best sound that there are.
type Choice struct {
	// Video and Audio name the renditions by their tracks. "": the best one.
	Video, Audio string

	// MaxPixels is how many pixels a picture may have, width times height, as
	// far as the catalog says it. 0: any number.
	MaxPixels int

	// MaxBitrate is how many bits a second the pictures may have, as far as the
	// catalog says it. 0: any number.
	MaxBitrate uint64

	// NoVideo and NoAudio leave out the pictures or the sound.
	NoVideo, NoAudio bool

	// MaxLatency is how late what is missing may come: how long a missing group
	// is waited for, and a track that has broken off. 0: 10 seconds.
	MaxLatency time.Duration
}

const defaultLatency = 10 * time.Second

// complete returns a copy of c with its defaults.
func (c *Choice) complete() (Choice, error) {
	var full Choice
	if c != nil {
		full = *c
	}
	if full.MaxLatency <= 0 {
		full.MaxLatency = defaultLatency
	}
	if full.NoVideo && full.NoAudio {
		return full, errors.New("record: neither pictures nor sound are wanted")
	}
	return full, nil
}

// A kind is that of a track: pictures or sound.
type kind int

const (
	video kind = iota
	audio
	kinds
)

func (k kind) String() string { return [...]string{"pictures", "sound"}[k] }

// priority is what players ask for the tracks with.
func (k kind) priority() api.Priority { return [...]api.Priority{60, 80}[k] }

// A rendition is one of a catalog.
type rendition struct {
	name  api.TrackName
	video *media.VideoRendition
	audio *media.AudioRendition
}

func (r *rendition) codec() string {
	if r.video != nil {
		return r.video.Codec
	}
	return r.audio.Codec
}

func (r *rendition) container() media.Container {
	if r.video != nil {
		return r.video.Container
	}
	return r.audio.Container
}

// same reports whether the frames of both are read alike.
func (r *rendition) same(other *rendition) bool {
	a, b := r.container(), other.container()
	return a.Kind == b.Kind && bytes.Equal(a.Init, b.Init) && bytes.Equal(r.description(), other.description())
}

func (r *rendition) description() []byte {
	if r.video != nil {
		return r.video.Description
	}
	return r.audio.Description
}

// broadcast is the relative path of the broadcast that has the track.
func (r *rendition) broadcast() string {
	if r.video != nil {
		return r.video.Broadcast
	}
	return r.audio.Broadcast
}

// family is what a decoder that can read r can read: a recording cannot change
// it.
func (r *rendition) family() string {
	family, _, _ := strings.Cut(r.codec(), ".")
	switch family {
	case "avc3":
		family = "avc1"
	case "hev1":
		family = "hvc1"
	}
	if r.audio != nil {
		return fmt.Sprintf("%s %d %d", family, r.audio.SampleRate, r.audio.Channels)
	}
	return family
}

// String describes r for an error.
func (r *rendition) String() string {
	if v := r.video; v != nil {
		s := fmt.Sprintf("%q (%s", string(r.name), v.Codec)
		if v.CodedSize != (media.Size{}) {
			s += fmt.Sprintf(", %d×%d", v.CodedSize.Width, v.CodedSize.Height)
		}
		if v.Bitrate > 0 {
			s += fmt.Sprintf(", %d kbit/s", v.Bitrate/1000)
		}
		return s + ")"
	}
	return fmt.Sprintf("%q (%s, %d Hz, %d channels)", string(r.name), r.audio.Codec, r.audio.SampleRate, r.audio.Channels)
}

// renditions returns those of a kind, the best first.
func renditions(c *media.Catalog, k kind) []*rendition {
	var all []*rendition
	if k == video {
		for name, v := range c.Video.Renditions {
			all = append(all, &rendition{name: name, video: &v})
		}
	} else {
		for name, a := range c.Audio.Renditions {
			all = append(all, &rendition{name: name, audio: &a})
		}
	}
	slices.SortFunc(all, worse)
	return all
}

// worse orders renditions of a kind from the best to the worst.
func worse(a, b *rendition) int {
	ra, rb := a.rank(), b.rank()
	for i := range ra {
		if c := cmp.Compare(rb[i], ra[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.name, b.name)
}

// rank has what makes a rendition better, the most important first.
func (r *rendition) rank() [4]float64 {
	if v := r.video; v != nil {
		moving := 1.0
		if v.Stalled {
			moving = 0
		}
		return [4]float64{moving, float64(pixels(v)), float64(v.Bitrate), v.Framerate}
	}
	return [4]float64{float64(r.audio.Channels), float64(r.audio.Bitrate), float64(r.audio.SampleRate)}
}

func pixels(v *media.VideoRendition) int { return v.CodedSize.Width * v.CodedSize.Height }

// wants reports whether a kind is wanted.
func (c *Choice) wants(k kind) bool { return k == video && !c.NoVideo || k == audio && !c.NoAudio }

// named is the rendition that is asked for; "": the best.
func (c *Choice) named(k kind) string {
	if k == video {
		return c.Video
	}
	return c.Audio
}

// bounded reports whether not all renditions of a kind are allowed.
func (c *Choice) bounded(k kind) bool {
	return c.named(k) != "" || k == video && (c.MaxPixels > 0 || c.MaxBitrate > 0)
}

// allows reports whether r may be recorded.
func (c *Choice) allows(k kind, r *rendition) bool {
	if name := c.named(k); name != "" {
		return string(r.name) == name
	}
	return k == audio || (c.MaxPixels <= 0 || pixels(r.video) <= c.MaxPixels) &&
		(c.MaxBitrate == 0 || r.video.Bitrate <= c.MaxBitrate)
}

// pick returns the best rendition of a kind that is allowed, or nil.
func (c *Choice) pick(catalog *media.Catalog, k kind) *rendition {
	if !c.wants(k) {
		return nil
	}
	for _, r := range renditions(catalog, k) {
		if c.allows(k, r) {
			return r
		}
	}
	return nil
}

// refuse says why a catalog has not what is wanted.
func (c *Choice) refuse(path api.BroadcastPath, catalog *media.Catalog, k kind) error {
	wanted := fmt.Sprintf("no %v", k)
	if name := c.named(k); name != "" {
		wanted = fmt.Sprintf("no %v named %q", k, name)
	} else if c.bounded(k) {
		wanted = fmt.Sprintf("no %v within the bounds that were asked for", k)
	}
	return fmt.Errorf("record: %w: %q has %s; it has %s", ErrNoRendition, string(path), wanted, inventory(catalog))
}

// inventory lists what a catalog has.
func inventory(c *media.Catalog) string {
	if c == nil {
		return "no catalog with a track yet"
	}
	var parts []string
	for k := range kinds {
		for _, r := range renditions(c, k) {
			parts = append(parts, fmt.Sprintf("%v %v", k, r))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Text.Renditions)) {
		parts = append(parts, fmt.Sprintf("text %q", string(name)))
	}
	for _, tracks := range []map[api.TrackName]media.DataTrack{c.JSON, c.Binary} {
		for _, name := range slices.Sorted(maps.Keys(tracks)) {
			parts = append(parts, fmt.Sprintf("data %q", string(name)))
		}
	}
	if len(parts) == 0 {
		return "no tracks"
	}
	return strings.Join(parts, ", ")
}
