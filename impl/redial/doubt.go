package redial

import (
	"context"
	"errors"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A publisher may keep its identity and number its groups from 0 again, when it
// was restarted. A subscription from the next group on is then silent until the
// new numbers have reached the old: when it was silent for a while, the peer is
// asked for the newest group that it has.

// errRenumbered tells that the numbers do not go on.
var errRenumbered = errors.New("its groups are numbered from the beginning again")

// doubts receives when the numbers of f, over the session l, are to be compared
// with what the peer has: a while after it was opened to go on with those before,
// or after its publisher was announced anew, where it has brought no group since.
// It is nil where there is no doubt.
func (f *feed) doubts(l *link, now sighting) <-chan time.Time {
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	if l != f.link || f.finished() || now.is != announced || now.hop == 0 || f.numbering.next == 0 {
		return nil
	}
	var since time.Time
	if f.resumed {
		since = f.opened
	}
	if now.life != f.sight.life {
		since = now.at
	}
	if !since.After(f.passed) || !since.After(f.checked) {
		return nil
	}
	return time.After(time.Until(since.Add(doubtAfter)))
}

// renumbered tells whether the newest group that the peer has is below those
// that f goes on from, and f has not brought any meanwhile.
func (f *feed) renumbered(ctx context.Context) bool {
	f.checked = time.Now()
	newest, ok := f.edge(ctx)
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

// edge is the newest group of the track that the peer has; false where it shows
// none in time.
func (f *feed) edge(ctx context.Context) (newest api.GroupSequence, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, edgeWithin)
	defer cancel()
	defer context.AfterFunc(f.link.session.Context(), cancel)()
	// Not GroupLatest: for that a relay may wait for what others ask of it.
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
			defer time.AfterFunc(edgeMore, cancel).Stop()
		}
		newest, ok = max(newest, g.Sequence()), true
	}
}
