package redial

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A publisher that was restarted may keep its identity and number its groups
// from 0 again. A subscription that began at the next group is then silent
// until the new numbers have reached the old ones. So if it has been silent for
// a while, or the track ends, the peer is asked for its newest group.
//
// errRenumbered is the reason of a restart if the numbers do not go on.
var errRenumbered = errors.New("its groups are numbered from the beginning again")

// A reader may also be so slow that it takes the last groups of the old numbers
// when the new ones have passed them. So the peer is asked too when the
// subscription is over while groups of it still wait for the reader.
//
// renumberCheck returns a channel that receives when the numbers of f are to be
// compared with those of the peer: a while after f was opened to continue the
// numbers before, or its publisher was announced anew, or its subscription was
// over, if no group has come since. It returns nil if there is no doubt.
func (f *feed) renumberCheck(l *link, now announcedState) <-chan time.Time {
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	if l != f.link || f.isDone() || now.presence != announced || now.hop == 0 || f.numbering.next == 0 {
		return nil
	}
	var since time.Time
	if f.resumed {
		since = f.opened
	}
	if now.life != f.announced.life {
		since = now.at
	}
	if f.over.After(since) {
		since = f.over
	}
	if !f.isOver() && !since.After(f.passed) || !since.After(f.checked) {
		return nil
	}
	return time.After(time.Until(since.Add(checkNumbersAfter)))
}

// endsOther reports whether the end of f may be that of other numbers: f was to
// continue those before, and has brought nothing.
func (f *feed) endsOther() bool {
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	return f.err == io.EOF && f.resumed && !f.begun.Happened() && f.announced.origin() != 0
}

// renumbered reports whether the newest group of the peer is below those that f
// continues from, and f has brought none meanwhile.
func (f *feed) renumbered(ctx context.Context) bool {
	f.checked = time.Now()
	newest, ok := f.newestAtPeer(ctx)
	if !ok {
		return false
	}
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	from := f.from
	if !f.resumed {
		from = f.numbering.next
	}
	if f.isOver() {
		return newest+1 < max(from, f.above())
	}
	return newest+1 < from && !f.passed.After(f.checked)
}

// isOver reports whether the subscription of f is known to be over: what is passed
// on since had come before.
func (f *feed) isOver() bool { return !f.over.IsZero() }

// A highestReader is a reader that tells the highest group that has come, whether
// AcceptGroup has returned it or not.
type highestReader interface {
	HighestGroup() (seq api.GroupSequence, some bool)
}

// above returns one above the highest group that has come by f, as far as its
// reader tells.
func (f *feed) above() api.GroupSequence {
	if r, ok := f.reader.(highestReader); ok {
		if seq, some := r.HighestGroup(); some {
			return seq + 1
		}
	}
	return 0
}

// newestAtPeer returns the newest group of the track that the peer has; false
// if none comes in time.
func (f *feed) newestAtPeer(ctx context.Context) (newest api.GroupSequence, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, newestWithin)
	defer cancel()
	defer context.AfterFunc(f.link.session.Context(), cancel)()
	// Not GroupLatest: for that, a relay may wait for what its other
	// subscribers ask for.
	config := api.SubscribeConfig{MaxLatency: -1}
	r, err := f.link.session.Subscribe(ctx, f.track.path, f.track.name, &config)
	if err != nil {
		return 0, false
	}
	defer func() { _ = r.Close() }()
	for {
		g, err := r.AcceptGroup(ctx)
		if err != nil {
			return newest, ok
		}
		g.Cancel(api.StreamCancelled)
		if !ok {
			defer time.AfterFunc(newerWithin, cancel).Stop()
		}
		newest, ok = max(newest, g.Sequence()), true
	}
}
