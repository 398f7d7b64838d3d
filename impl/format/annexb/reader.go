package annexb

import (
	"errors"
	"io"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// defaultFramerate is that of a stream that tells none, as of ffmpeg.
const defaultFramerate = 25

// Config says what a stream does not. The zero value and nil are ready to use.
type Config struct {
	// Framerate is how many pictures a second a stream has that does not tell
	// it. 0: 25.
	Framerate float64
}

// A Reader is the source of the pictures of a byte stream, which is one track.
// One goroutine at a time may use it, or what it reads from.
//
// A picture is given when the next one begins, and when it is known when it is
// shown: as many pictures later as the stream reorders at most. An encoder that
// reorders none should say so in its parameter sets; a stream that does not tell
// is taken to reorder as many as its level allows.
type Reader struct {
	config Config
	units  units
	access codec.AccessUnits
	order  codec.Order
	queue  reorderer

	track   []media.Track
	started bool
	err     error
}

// NewReader is [NewReaderConfig] without a config.
func NewReader(r io.Reader) (*Reader, error) { return NewReaderConfig(r, nil) }

// NewReaderConfig reads from r up to the first key frame with its parameter
// sets, with which the Reader begins. It fails where there is none in 16 MiB.
func NewReaderConfig(r io.Reader, config *Config) (*Reader, error) {
	a := &Reader{units: units{r: r}}
	if config != nil {
		a.config = *config
	}
	if a.config.Framerate <= 0 {
		a.config.Framerate = defaultFramerate
	}
	if err := a.units.detect(); err != nil {
		return nil, err
	}
	a.access.Codec, a.order.Codec = a.units.codec, a.units.codec
	for searched := 0; !a.started; {
		n, err := a.more()
		if errors.Is(err, io.EOF) {
			return nil, errNothing
		}
		if err != nil {
			return nil, err
		}
		if searched += n; searched > maxUnit {
			return nil, errNothing
		}
	}
	a.describe()
	return a, nil
}

func (a *Reader) describe() {
	v := &media.VideoRendition{}
	entry := "avc3"
	if a.access.Codec == codec.HEVC {
		entry = "hev1"
	}
	a.access.Video.Describe(v, entry)
	v.Framerate = a.queue.rate
	a.track = []media.Track{{ID: 1, Video: v}}
}

// Tracks implements [media.Reader]. There is one track, of pictures, without a
// description: its packets are byte streams with parameter sets before each key
// frame ("avc3", "hev1"), and with the delimiters of the source.
func (a *Reader) Tracks() []media.Track { return a.track }

// ReadPacket implements [media.Reader]. The first picture is shown at zero.
func (a *Reader) ReadPacket(p *media.Packet) error {
	for !a.queue.ready() {
		if a.err != nil {
			return a.err
		}
		if _, a.err = a.more(); a.err != nil {
			a.queue.end()
		}
	}
	unit := a.queue.take()
	*p = media.Packet{
		Track: 1, PTS: unit.pts, DTS: unit.dts, Duration: unit.duration, Key: unit.key,
		Payload: append(p.Payload[:0], unit.data...),
	}
	return nil
}

// more reads the next access unit and says how large it is.
func (a *Reader) more() (int, error) {
	raw, err := a.units.next()
	if err != nil {
		return 0, err
	}
	unit := codec.FromStartCode(raw)
	seen := a.access.Look(unit)
	if seen.New {
		a.order.Add(a.access.Sets())
	}
	if seen.Slice == nil || seen.Orphan || !a.started && !(seen.Key && a.access.Ready()) {
		return len(raw), nil
	}
	place := a.order.Place(seen.Slice)
	if a.queue.completes(place) {
		a.queue.join(unit)
		return len(raw), nil
	}
	if !a.started || seen.New && place.Reset {
		a.pace()
	}
	a.started = true
	picture := a.queue.add(place, seen.Key)
	picture.data = a.access.Append(picture.data, unit, seen)
	return len(raw), nil
}

// pace takes the rate and the depth of the parameter sets.
func (a *Reader) pace() {
	rate := a.access.Video.Framerate
	if rate <= 0 {
		rate = a.config.Framerate
	}
	a.queue.pace(rate, a.access.Video.Reorder)
}

var _ media.Reader = (*Reader)(nil)
