package record

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

const (
	// minRewind is how far timestamps go back where a clock begins anew.
	minRewind = 100 * time.Millisecond

	// maxLeap is how far timestamps may go ahead of the time that has passed.
	maxLeap = 30 * time.Second
)

var (
	errNoKey  = errors.New("pictures before the first key frame were left out")
	errMiddle = errors.New("the beginning of the group is missing")
)

// A feed makes samples of the frames of a track, in their order.
type feed struct {
	track     *track
	container container
	pictures  *pictures
	sounds    *sounds
	reorder   reorder
	frame     api.Frame

	seq     api.GroupSequence
	opened  time.Duration // when the first packet of the group is shown
	any     bool          // a group was opened
	index   uint64        // of the next frame in its group
	opens   bool          // the next packet is the first of its group
	renewed bool          // the subscription, or the numbers of its groups, are new
	reread  uint64        // frames of the group that were read before
	config  []byte        // the description of sound that holds from the next packet on
	waiting bool          // for a key frame
	leading bool          // pictures shown before from are left out
	from    time.Duration // when the key frame is shown that was waited for

	count   uint64        // samples so far
	shown   time.Duration // the latest so far
	arrived time.Time     // when the last one came
	ctx     context.Context
}

func newFeed(t *track) *feed {
	f := &feed{track: t, waiting: t.kind == video}
	f.reorder.emit = f.put
	return f
}

// begin begins a rendition.
func (f *feed) begin(r *rendition) (err error) {
	if f.container, err = newContainer(r.container()); err != nil {
		return err
	}
	if r.video != nil {
		f.pictures = newPictures(r, &f.container)
		f.waiting = true
	} else {
		f.sounds = newSounds(r, &f.container)
	}
	f.renewed = true
	f.tell()
	return nil
}

// change goes on with what a newer catalog says of the rendition.
func (f *feed) change(r *rendition) error {
	waiting, renewed := f.waiting, f.renewed
	if err := f.begin(r); err != nil {
		return err
	}
	f.waiting, f.renewed = waiting, renewed
	if f.sounds != nil {
		f.config = f.sounds.rendition.Description
	}
	return nil
}

// restart tells that the numbers of groups begin anew.
func (f *feed) restart() {
	f.renewed, f.any = true, false
	f.waiting = f.track.kind == video
}

// tell tells what the track is as soon as that is known: of pictures with
// parameter sets in their frames, when the first key frame has come.
func (f *feed) tell() {
	if f.pictures == nil {
		a := f.sounds.rendition
		f.track.describe(media.Track{Audio: &a}, true)
		return
	}
	v := f.pictures.rendition
	f.track.describe(media.Track{Video: &v}, f.count > 0 || v.CodedSize != (media.Size{}) && !f.pictures.annexB)
}

// open begins a group, or goes on with one that broke off.
func (f *feed) open(ctx context.Context, seq api.GroupSequence, first uint64) error {
	f.ctx = ctx
	again := f.any && seq == f.seq
	f.reread = 0
	if again && first == f.index { // the rest of it: nothing is lost
		f.track.lost = nil
		return nil
	}
	if again && first < f.index { // what was read of it is left out
		f.reread, f.index, f.opens = f.index, first, first == 0
		return nil
	}
	f.seq, f.index, f.opens, f.any = seq, first, first == 0, true
	if first > 0 {
		f.track.lose(errMiddle)
		f.waiting = f.track.kind == video
	}
	return nil
}

// add takes the frame that was read.
func (f *feed) add(ctx context.Context) error {
	f.ctx = ctx
	f.index++
	return f.container.unpack(f.frame.Payload, f.addPacket)
}

// addPacket takes a packet of the frame.
func (f *feed) addPacket(p *media.Packet, marker bool) error {
	if marker {
		if !f.reorder.mark(p.PTS) {
			f.track.queue.mark(p.PTS)
		}
		return nil
	}
	if len(p.Payload) == 0 {
		return nil
	}
	first := f.opens
	f.opens = false
	s := sample{Packet: *p}
	var rewound bool
	if first || f.count == 0 || f.renewed {
		switch {
		case !first || f.reread == 0:
		case p.PTS != f.opened: // another group of that number
			f.reread = 0
		default:
			f.track.lost = nil
		}
		f.opened = p.PTS
		rewound = f.reread == 0 && f.leaps(p.PTS)
	}
	if f.index <= f.reread {
		return nil
	}
	s.Payload = f.track.queue.buffer()
	if f.pictures != nil {
		if ok, err := f.convertPicture(&s, p, first); err != nil || !ok {
			f.track.queue.giveBack(s.Payload)
			return err
		}
	} else {
		var natural time.Duration
		s.Payload, natural = f.sounds.convert(s.Payload, p.Payload)
		if s.Key = true; natural > 0 {
			s.Duration = natural
		}
		s.Config, f.config = f.config, nil
	}
	return f.pass(s, rewound)
}

// leaps reports whether the clock of a group is not that of the one before.
func (f *feed) leaps(pts time.Duration) bool {
	if f.count == 0 {
		return true
	}
	back := minRewind
	if f.renewed {
		back = 0
	}
	return pts < f.shown-back || pts > f.shown+time.Since(f.arrived)+maxLeap
}

// convertPicture sets payload, key and description. It reports false of a picture
// that cannot be decoded, since no key frame has come.
func (f *feed) convertPicture(s *sample, p *media.Packet, first bool) (ok bool, err error) {
	v := f.pictures
	var key bool
	if s.Payload, key, err = v.convert(s.Payload, p.Payload, first); err != nil {
		return false, fmt.Errorf("record: %w", err)
	}
	if !f.container.timed() {
		s.Key = key
	}
	if f.waiting && (!s.Key || v.annexB && v.config == nil) {
		if f.count > 0 {
			f.track.lose(errNoKey)
		}
		return false, nil
	}
	switch {
	case f.waiting:
		f.waiting, f.from, f.leading = false, s.PTS, true
	case s.Key:
		f.leading = false
	case f.leading && s.PTS < f.from: // needs pictures before the key frame
		return false, nil
	}
	if s.Key {
		v.measure(p.Payload)
	}
	if s.Key || v.annexB {
		s.Config = v.takeConfig()
	}
	return len(s.Payload) > 0, nil
}

// pass gives a sample its times.
func (f *feed) pass(s sample, rewound bool) error {
	s.rewound, s.lost = rewound, f.track.lost
	f.track.lost, f.renewed = nil, false
	if f.count++; f.count == 1 || s.Config != nil {
		f.tell()
	}
	if rewound {
		if err := f.reorder.rewind(); err != nil {
			return err
		}
		f.shown = s.PTS
	}
	f.shown, f.arrived = max(f.shown, s.PTS), time.Now()
	if f.pictures == nil || f.container.timed() {
		return f.put(s)
	}
	if s.Config != nil && f.pictures.depth != f.reorder.depth || f.count == 1 {
		if err := f.reorder.begin(f.pictures.depth); err != nil {
			return err
		}
	}
	return f.reorder.add(s)
}

// flush passes on what is held.
func (f *feed) flush(ctx context.Context) error {
	f.ctx = ctx
	return f.reorder.flush()
}

// put puts a sample into the queue.
func (f *feed) put(s sample) error {
	if !f.track.queue.put(f.ctx, s) {
		return context.Cause(f.ctx)
	}
	return nil
}
