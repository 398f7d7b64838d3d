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

// A kind is what can be wrong with a world.
type kind string

const (
	dark    kind = "dark"     // nothing comes although all is well
	mixed   kind = "mixed"    // two numberings without a word
	untrue  kind = "untrue"   // a frame that nobody wrote there
	short   kind = "short"    // a group told as whole is not
	twice   kind = "twice"    // a group came again that had not broken off
	silent  kind = "silent"   // a group is missing without a word
	undead  kind = "undead"   // a group came that was told as lost
	noEnd   kind = "no end"   // the track has ended, and nobody tells
	falsely kind = "falsely"  // an end is told of what goes on
	misled  kind = "misled"   // what is announced is not what is there
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

// fault tells what is wrong with a viewer.
func (v *viewer) fault(k kind, format string, args ...any) {
	v.stage.fault(k, "%s, %s/%s: %s", v.name, v.path, v.spec.track, fmt.Sprintf(format, args...))
}

// settling is how long after a loss its viewer may still learn of it.
const settling = 10 * time.Second

// A reading is what a viewer was told of a track under one numbering: from the
// subscription, or a restart, to the next or the end.
type reading struct {
	viewer *viewer
	from   api.GroupSequence // the first that was asked for; 0 and GroupLatest are none

	mu     sync.Mutex
	truth  *count // of the group that came last; nil until the first frame
	groups map[api.GroupSequence]*seen
	gaps   []api.Gap
	told   map[kind]bool // one of a kind is enough
}

// A seen is a group that came.
type seen struct {
	truth  *count // nil until the first frame
	frames int
	err    error // nil while it comes; io.EOF when it is whole
}

func newReading(v *viewer, from api.GroupSequence) *reading {
	return &reading{viewer: v, from: from, groups: make(map[api.GroupSequence]*seen), told: make(map[kind]bool)}
}

// fault is told once of each kind. The lock is held.
func (r *reading) fault(k kind, format string, args ...any) {
	if !r.told[k] {
		r.told[k] = true
		r.viewer.fault(k, format, args...)
	}
}

// accept is a group that comes.
func (r *reading) accept(g api.GroupReader) *seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	seq := g.Sequence()
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

// check looks at a frame that came.
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

// belongs looks whether a group that begins is of the numbering of those before
// it. The lock is held.
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

// finish is the end of a group.
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

// tell takes in what is told as lost.
func (r *reading) tell(gaps []api.Gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps = append(r.gaps, gaps...)
}

// account looks for numbers of which nothing was told, between the first and
// the last that came, and which have had time to be.
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

// span is the first number that came, or was asked for, and the last that came.
// The lock is held.
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

// beginAnywhere has the viewer ask for no group in particular any more, so that
// what is missing before the first is no loss.
func (r *reading) beginAnywhere() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.from = 0
}

// newest is the highest number that came.
func (r *reading) newest() api.GroupSequence {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, last := r.span()
	return last
}

// end is the end of the subscription. It reports true where that is the end of
// the track for good.
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
