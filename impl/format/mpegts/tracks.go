package mpegts

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// What may be read before it is decided which tracks there are.
const (
	// silentFor is how much of the stream may pass before a track that is
	// announced, and has brought nothing that can be read, is left out.
	silentFor = 2 * time.Second

	// keylessFor is how long the first key frame may be waited for.
	keylessFor = 30 * time.Second

	mostSearched = 64 << 20 // bytes of the source
	mostHeld     = 16 << 20 // bytes of packets that wait for the decision
)

// settled reports whether nothing more has to be read to know the tracks.
func (t *Reader) settled() bool {
	if t.packets.read > mostSearched {
		return true
	}
	if t.program == 0 {
		return false
	}
	for _, s := range t.order {
		var track media.Track
		patience := silentFor
		if s.heard && s.video() {
			patience = keylessFor
		}
		if !s.describe(&track) && t.clock.elapsed() < patience {
			return false
		}
	}
	return true
}

// decide makes tracks of the streams that are known, and forgets the others.
func (t *Reader) decide() error {
	order := t.order
	t.order, t.media = nil, map[int]*stream{}
	for _, s := range order {
		track := media.Track{ID: s.id}
		switch {
		case s.describe(&track):
			t.order = append(t.order, s)
			t.tracks = append(t.tracks, track)
			t.media[s.id] = s
			continue
		case s.secret:
			t.leave(s.entry, "scrambled")
		case !s.heard:
			t.leave(s.entry, "silent")
		case s.video():
			t.leave(s.entry, "no key frame")
		default:
			t.leave(s.entry, "no frame that can be read")
		}
		delete(t.streams, s.pid)
	}
	if len(t.tracks) == 0 {
		return t.noTracks()
	}
	t.trim()
	return nil
}

func (t *Reader) leave(e entry, why string) {
	t.ignored = append(t.ignored, fmt.Errorf("%s (PID 0x%x): %s", e.name, e.pid, why))
}

func (t *Reader) noTracks() error {
	if t.err != nil && !errors.Is(t.err, io.EOF) && !errors.Is(t.err, errSearched) {
		return t.err
	}
	switch {
	case t.packets.stride == 0:
		return fmt.Errorf("mpegts: no packets of a transport stream in %d bytes", t.packets.read)
	case len(t.ignored) > 0:
		return fmt.Errorf("mpegts: no track that can be read: %w", errors.Join(t.ignored...))
	}
	return fmt.Errorf("mpegts: no program in %d bytes", t.packets.read)
}

// trim notes where the pictures begin, if some were dropped that came before the
// first key frame: the sound from before it is dropped as well.
func (t *Reader) trim() {
	for _, s := range t.order {
		v, ok := s.parser.(*pictures)
		if !ok || v.skipped == 0 {
			continue
		}
		for _, first := range t.held {
			if first.Track == s.id {
				t.trimmed, t.begin = true, first.PTS
				return
			}
		}
	}
}

// early reports whether the packet is sound from before the first picture. What
// is far from it is of a stream that has begun anew.
func (t *Reader) early(p *media.Packet) bool {
	const far = 10 * time.Second
	end := p.PTS + p.Duration
	return t.trimmed && end <= t.begin && end > t.begin-far && !t.media[p.Track].video()
}
