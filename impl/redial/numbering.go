package redial

import (
	"context"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A numbering is a run of group numbers that belong together: those of one
// publisher, until that numbers its groups from 0 again. The reader is told of
// each but the first by a [RestartError], before its first group and its gaps.
// The feeds of one numbering share it. The track's lock guards it.
type numbering struct {
	account
	last    *group        // the newest group that was passed on; nil for none
	restart *RestartError // what the reader is told first; nil for nothing
	told    signal.Event  // the reader was told, or need not be
	over    signal.Event  // another numbering has begun, and ended is set
	ended   error         // why
}

// newNumbering returns a numbering whose groups are asked for from start on.
// err is what the reader is told; nil for the track's first numbering.
func newNumbering(start api.GroupSequence, err *RestartError) *numbering {
	n := &numbering{restart: err}
	if start != api.GroupLatest {
		n.from = start
	}
	if err == nil {
		n.told.Happen()
	}
	return n
}

// isTold reports whether there is nothing to tell.
func (n *numbering) isTold() bool { return n.told.Happened() }

// tellRestart returns when the reader knows of the numbering of f. The feed
// that has begun the numbering tells it, and others wait for that. It returns
// an error if the feed or the track ends first.
func (f *feed) tellRestart() error {
	n := f.numbering
	if !f.same && !n.isTold() {
		if err := f.deliver(delivery{begins: n}); err != nil {
			return err
		}
	}
	select {
	case <-n.told.Done():
		return nil
	case <-f.life.Done():
		return context.Cause(f.life)
	case <-f.track.feeding.Done():
		return context.Cause(f.track.feeding)
	}
}

// A readerPosition is the reader's position among the numberings of its track.
// It may be several behind: the reader enters a numbering by the first call of
// AcceptGroup after the one that returned its RestartError, and gets its gaps
// only from then on. The track's lock guards it.
type readerPosition struct {
	in      *numbering
	told    *numbering // the one told last: in, or the one to be entered next
	earlier []api.Gap  // of the numberings before in, and of in when that has ended
}

// tellNumbering records that the reader is told that n begins, and returns the
// error for it.
func (t *track) tellNumbering(n *numbering) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.position.told = n
	n.told.Happen()
	return n.restart
}

// enterNumbering moves the reader to the numbering that it was told of.
func (t *track) enterNumbering() {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &t.position
	if p.in == p.told {
		return
	}
	p.in = p.told
	if p.in != t.numbering {
		p.keepGaps(p.in)
	}
}

// keepGaps keeps the gaps of a numbering that has ended.
func (p *readerPosition) keepGaps(over *numbering) {
	p.earlier = append(p.earlier, over.takeGaps(time.Now())...)
	p.earlier = slices.Delete(p.earlier, 0, max(0, len(p.earlier)-maxEarlier))
}

// maxEarlier bounds the gaps that are kept of earlier numberings.
const maxEarlier = 4096

// renumber replaces the current numbering, which has ended with err, by next.
// If the reader has got no group of it, it need not be told; if it was not told
// of the current one yet, it is told of next only. The lock is held.
func (t *track) renumber(next *numbering, err error) {
	over, p := t.numbering, &t.position
	t.numbering = next
	switch {
	case !over.isTold():
		both := *next.restart // others may have it already
		both.Before = over.restart.Before
		next.restart = &both
	case !over.hasAny():
		next.told.Happen()
		if p.in == over {
			p.in = next
		}
		if p.told == over {
			p.told = next
		}
	default:
		over.loseRest(err)
		if p.in == over {
			p.keepGaps(over)
		}
	}
	over.ended = next.restart
	over.over.Happen()
}
