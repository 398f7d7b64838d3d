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

// renumberCheck returns a channel that receives when the numbers of f are to be
// compared with those of the peer: a while after f was opened to continue the
// numbers before, or after its publisher was announced anew, if no group has
// come since. It returns nil if there is no doubt.
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
	if !since.After(f.passed) || !since.After(f.checked) {
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
	return newest+1 < from && !f.passed.After(f.checked)
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
