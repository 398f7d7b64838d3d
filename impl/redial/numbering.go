package redial

import (
	"context"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A numbering is a run of group numbers that belong together: those of one
// publisher, or of the same one until it numbers its groups from 0 again. The
// reader is told of each but the first by a [RestartError], before its first
// group, and of its gaps after that. The feeds of one numbering share it. The
// track's lock guards it.
type numbering struct {
	account
	last    *group        // the newest group that was passed on; nil for none
	restart *RestartError // what the reader is told first; nil where that is nothing
	told    signal.Event  // the reader knows, or need not
}

// newNumbering returns a numbering, of which groups are asked for from start on,
// and that begins with err; nil for the track's first, of which nobody needs to
// be told.
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

// isTold tells whether there is nothing to tell.
func (n *numbering) isTold() bool { return n.told.Happened() }

// tellRestart returns when the reader knows of the numbering of f: the feed that
// has begun it tells, and others wait for that. Its error is why they do so in
// vain.
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

// A place is where the reader of a track is in its numberings. He may be behind
// by several: he enters one by the first call of AcceptGroup after that which
// has told him of it, and only then hears of its gaps. The track's lock guards
// it.
type place struct {
	in      *numbering
	heard   *numbering // that he was told of last: in, or the one that he enters next
	earlier []api.Gap  // of the numberings before in, and of in when that is over
}

// hear notes that the reader is told that n begins, and returns what he is told.
func (t *track) hear(n *numbering) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.place.heard = n
	n.told.Happen()
	return n.restart
}

// enter has the reader be in the numbering that he was told of.
func (t *track) enter() {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &t.place
	if p.in == p.heard {
		return
	}
	p.in = p.heard
	if p.in != t.numbering {
		p.keep(p.in)
	}
}

// keep takes over the gaps of a numbering that is over.
func (p *place) keep(over *numbering) {
	p.earlier = append(p.earlier, over.take(time.Now())...)
	p.earlier = slices.Delete(p.earlier, 0, max(0, len(p.earlier)-maxEarlier))
}

// maxEarlier bounds the gaps of earlier numberings that nobody has asked for.
const maxEarlier = 4096

// renumber has next follow the numbering of now, which is over since err. The
// reader who has seen nothing of that one need not be told, and one who was not
// told of it is told of next alone. The lock is held.
func (t *track) renumber(next *numbering, err error) {
	over, p := t.numbering, &t.place
	t.numbering = next
	switch {
	case !over.isTold():
		both := *next.restart // others may have it already
		both.Before = over.restart.Before
		next.restart = &both
	case !over.some():
		next.told.Happen()
		if p.in == over {
			p.in = next
		}
		if p.heard == over {
			p.heard = next
		}
	default:
		over.end(err)
		if p.in == over {
			p.keep(over)
		}
	}
}
