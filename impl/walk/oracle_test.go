package walk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A kind is a way in which a world can be wrong.
type kind string

const (
	dark    kind = "dark"     // nothing comes although all is well
	mixed   kind = "mixed"    // groups of two numberings without a RestartError
	untrue  kind = "untrue"   // a frame that nobody wrote there
	short   kind = "short"    // a group that ended regularly is not complete
	twice   kind = "twice"    // a group came again that had not broken off
	silent  kind = "silent"   // a group is missing and was not reported
	undead  kind = "undead"   // a group came that was reported as lost
	noEnd   kind = "no end"   // the track has ended, and the viewer is not told
	falsely kind = "falsely"  // an end is reported of a track that goes on
	misled  kind = "misled"   // the announcements are not what is published
	stuck   kind = "stuck"    // closing takes too long
	leaked  kind = "leaked"   // goroutines are left
	crashed kind = "panicked" // the program did
)

// A fault is an instance of a kind.
type fault struct {
	kind kind
	at   time.Duration
	text string
}

func (f fault) String() string { return fmt.Sprintf("%8.3fs  %s: %s", f.at.Seconds(), f.kind, f.text) }

// fault records that something is wrong with a viewer.
func (v *viewer) fault(k kind, format string, args ...any) {
	v.stage.fault(k, "%s, %s/%s: %s", v.name, v.path, v.spec.track, fmt.Sprintf(format, args...))
}

// settling is how long after a loss its viewer may still be told.
const settling = 10 * time.Second

// A reading is what a viewer got of a track under one numbering: from the
// subscription, or a restart, to the next one or the end.
type reading struct {
	viewer *viewer
	from   api.GroupSequence // the first that was asked for; 0 and GroupLatest ask for none

	mu     sync.Mutex
	truth  *count // of the group that came last; nil until the first frame
	groups map[api.GroupSequence]*seen
	gaps   []api.Gap
	told   map[kind]bool // faults that were recorded: one of a kind is enough
}

// A seen is a group that came.
type seen struct {
	truth  *count // nil until the first frame
	frames int
	err    error // nil while it is read; io.EOF when it is complete
}

func newReading(v *viewer, from api.GroupSequence) *reading {
	return &reading{viewer: v, from: from, groups: make(map[api.GroupSequence]*seen), told: make(map[kind]bool)}
}

// fault records a fault, once for each kind. The lock is held.
func (r *reading) fault(k kind, format string, args ...any) {
	if !r.told[k] {
		r.told[k] = true
		r.viewer.fault(k, format, args...)
	}
}

// accept records a group that comes.
func (r *reading) accept(g api.GroupReader) *seen {
	seq := g.Sequence()
	if r.isOpen(seq) {
		// It comes again as soon as ReadFrame has its error: by the next tick of the
		// bubble's clock, follow has recorded that.
		time.Sleep(time.Nanosecond)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.groups[seq]; before != nil && (before.err == nil || errors.Is(before.err, io.EOF)) {
		r.fault(twice, "group %d, of which %d frames had come (%v)", seq, before.frames, before.err)
	}
	for _, gap := range r.gaps {
		if gap.Start <= seq && seq < gap.End {
			r.fault(undead, "group %d, of the gap [%d, %d) (%v)", seq, gap.Start, gap.End, gap.Err)
		}
	}
	s := &seen{frames: int(g.FirstFrame())}
	r.groups[seq] = s
	return s
}

// isOpen reports whether a group that came is still being read.
func (r *reading) isOpen(seq api.GroupSequence) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.groups[seq]
	return before != nil && before.err == nil
}

// follow reads a group to its end.
func (r *reading) follow(g api.GroupReader, s *seen) {
	var f api.Frame
	var want []byte
	for {
		err := g.ReadFrame(&f)
		if err != nil {
			r.finish(g.Sequence(), s, err)
			return
		}
		want = r.check(want, g.Sequence(), s, f.Payload)
		r.viewer.came()
	}
}

// check compares a frame that came with what was written.
func (r *reading) check(want []byte, seq api.GroupSequence, s *seen, payload []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	index := s.frames
	s.frames++
	if s.truth == nil {
		s.truth = r.viewer.truth(idOf(payload))
		r.belongs(seq, s.truth)
	}
	if s.truth == nil {
		r.fault(untrue, "group %d, frame %d: %.40q", seq, index, payload)
		return want
	}
	want = s.truth.frame(want, seq, index)
	if !bytes.Equal(want, payload) {
		r.fault(untrue, "group %d, frame %d is %.40q, want %.40q", seq, index, payload, want)
	}
	return want
}

// belongs checks whether a group that begins is of the same numbering as those
// before it. The lock is held.
func (r *reading) belongs(seq api.GroupSequence, truth *count) {
	if truth == nil || truth == r.truth {
		return
	}
	r.viewer.stage.note("%s reads numbering %d from group %d", r.viewer.name, truth.id, seq)
	if r.truth != nil && !truth.resembles(r.truth, seq) {
		r.fault(mixed, "group %d is of numbering %d, after numbering %d", seq, truth.id, r.truth.id)
	}
	r.truth = truth
}

// finish records the end of a group.
func (r *reading) finish(seq api.GroupSequence, s *seen, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.err = err
	if errors.Is(err, io.EOF) && s.truth != nil {
		want := s.truth.frames(seq)
		if want != s.frames && !(want < 0 && s.truth.hasEnded()) {
			r.fault(short, "group %d has %d frames of %d", seq, s.frames, want)
		}
	}
}

// tell records the gaps that were reported.
func (r *reading) tell(gaps []api.Gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps = append(r.gaps, gaps...)
}

// account looks for numbers that neither came nor were reported, between the
// first and the last that came, and whose time to be reported is over.
func (r *reading) account() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.truth == nil {
		return
	}
	var missing []api.GroupSequence
	first, last := r.span()
	for seq := first; seq < last; seq++ {
		told := r.groups[seq] != nil || slices.ContainsFunc(r.gaps, func(g api.Gap) bool { return g.Start <= seq && seq < g.End })
		if !told && time.Since(r.truth.due(seq)) > settling {
			missing = append(missing, seq)
		}
	}
	if len(missing) > 0 {
		r.fault(silent, "of groups %d to %d, %v are missing; told are %v", first, last, missing, r.gaps)
	}
}

// span returns the first number that came, or was asked for, and the last that
// came. The lock is held.
func (r *reading) span() (first, last api.GroupSequence) {
	first = api.GroupLatest
	for seq := range r.groups {
		first, last = min(first, seq), max(last, seq)
	}
	if r.from > 0 {
		first = min(first, r.from)
	}
	return first, last
}

// beginAnywhere records that the viewer asks for no particular group any more,
// so that nothing before the first one that comes counts as missing.
func (r *reading) beginAnywhere() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.from = 0
}

// newest returns the highest number that came.
func (r *reading) newest() api.GroupSequence {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, last := r.span()
	return last
}

// end handles the end of the subscription. It reports true if the track has
// ended for good.
func (r *reading) end(err error) bool {
	if r.viewer.ctx.Err() != nil {
		return true
	}
	r.account()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.viewer.stage.note("%s: %v", r.viewer.name, err)
	if !errors.Is(err, io.EOF) {
		return false
	}
	ended, mayTell := r.viewer.ended(r.truth)
	if !mayTell {
		r.fault(falsely, "the track has not ended")
	}
	return ended
}
