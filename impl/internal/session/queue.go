package session

import (
	"context"
	"runtime"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/receive"
)

// yieldEvery is by how many groups a queue grows before the accept loop yields the
// processor, so that a reader for which no processor is free gets them while they are in
// the cache.
const yieldEvery = 64

// The queue of a subscription stands between the accept loop, which adds groups as they
// arrive, and the application, which takes them by AcceptGroup. It is bounded by the
// number of groups (Limits.UnreadGroups) and, over all tracks, by the bytes that they
// hold (package receive). What does not fit is lost as a gap, the oldest first.

// offer queues a group that has arrived, or refuses it if it is not wanted. If the queue
// is full, it first waits for the reader, unless that is known to be behind, and then drops
// the oldest group. It is called by the accept loop, and by a goroutine of its own for a
// group whose header arrives late.
func (sub *subscription) offer(g *receive.Group, now time.Duration) {
	seq := g.Sequence()
	sub.mu.Lock()
	if sub.full() && !sub.behind {
		sub.awaitReader()
	}
	if sub.closed || sub.over != nil || !sub.coverage.Arrive(seq) {
		sub.mu.Unlock()
		g.Stream().Cancel(api.StreamCancelled)
		return
	}
	if sub.coverage.Below(seq) {
		sub.leaveOut(g)
		sub.mu.Unlock()
		return
	}
	narrow := sub.edge.narrow
	var excess *receive.Group
	if sub.full() {
		excess = sub.oldestQueued()
		sub.share.Remove(excess)
		sub.Lose(excess)
	}
	sub.queue = append(sub.queue, g)
	sub.share.Add(g, now)
	pause := len(sub.queue)%yieldEvery == 0
	sub.ready.Wake()
	sub.progress.Wake()
	sub.mu.Unlock()
	if excess != nil {
		excess.Dropped()
	}
	if narrow {
		sub.widen()
	}
	if pause {
		runtime.Gosched()
	}
}

// full reports whether the queue has reached Limits.UnreadGroups. The subscription's lock
// is held.
func (sub *subscription) full() bool { return len(sub.queue) >= sub.session.limits.UnreadGroups }

// readerGrace is how long the accept loop waits for a reader whose queue is full, which
// delays all other groups of the session. After that, each group that arrives drops
// another one, without waiting, until the reader has emptied half of the queue. A reader
// that was only not scheduled needs much less time.
const readerGrace = 10 * time.Millisecond

// awaitReader waits until the reader has emptied half of the queue, for at most
// readerGrace. The subscription's lock is held, and released during the wait.
func (sub *subscription) awaitReader() {
	select {
	case <-sub.relieved: // a signal from earlier
	default:
	}
	sub.mu.Unlock()
	timer := time.NewTimer(readerGrace)
	select {
	case <-sub.relieved:
	case <-sub.ctx.Done():
	case <-timer.C:
	}
	timer.Stop()
	sub.mu.Lock()
	sub.behind = sub.full()
}

// oldestQueued returns the group of the queue that is dropped first: the one of the lowest
// number. The subscription's lock is held, and the queue is not empty.
func (sub *subscription) oldestQueued() *receive.Group {
	oldest := sub.queue[0]
	for _, g := range sub.queue[1:] {
		if g.Sequence() < oldest.Sequence() {
			oldest = g
		}
	}
	return oldest
}

// Lose implements [receive.Holder]: a group in the queue is removed and becomes a gap. If
// AcceptGroup has returned it already, its reader gets an error instead. The subscription's
// lock is held.
func (sub *subscription) Lose(g *receive.Group) {
	for i, queued := range sub.queue {
		if queued == g {
			sub.queue = append(sub.queue[:i], sub.queue[i+1:]...)
			sub.coverage.Lose(g.Sequence(), &api.StreamError{Code: api.StreamTooFarBehind})
			return
		}
	}
}

// Finished implements [receive.Holder].
func (sub *subscription) Finished() { sub.progress.Wake() }

// AcceptGroup implements [api.TrackReader].
func (sub *subscription) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	for {
		g, err := sub.dequeue()
		if g != nil {
			return g, nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-sub.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// dequeue removes and returns the first group of the queue. It returns nil and no error
// when there is none yet.
func (sub *subscription) dequeue() (*receive.Group, error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.closed {
		return nil, api.ErrClosed
	}
	if len(sub.queue) == 0 {
		if sub.over != nil {
			sub.ready.Wake() // for the next call, which has to return too
		}
		return nil, sub.over
	}
	if sub.edge.wanted && !sub.coverage.Skipped() {
		sub.skipToNewest()
	}
	g := sub.queue[0]
	sub.queue[0] = nil
	sub.queue = sub.queue[1:]
	g.Handed()
	if len(sub.queue) > 0 {
		sub.ready.Wake()
	}
	if len(sub.queue) <= sub.session.limits.UnreadGroups/2 { // "<": groups also leave by Lose and skipToNewest
		sub.behind = false
		sub.relieved.Wake()
	}
	return g, nil
}

// skipToNewest refuses all queued groups but the newest, for the first AcceptGroup of a
// subscription that begins with the newest group (see edge). The subscription's lock is
// held.
func (sub *subscription) skipToNewest() {
	newest := sub.queue[0]
	for _, g := range sub.queue {
		if g.Sequence() > newest.Sequence() {
			newest = g
		}
	}
	for _, g := range sub.queue {
		if g != newest {
			sub.share.Remove(g)
			sub.leaveOut(g)
		}
	}
	sub.queue = append(sub.queue[:0], newest)
	sub.coverage.SkipTo(newest.Sequence())
}

// finishQueue sets what AcceptGroup returns after the queued groups, unless it is set.
// The subscription's lock is held.
func (sub *subscription) finishQueue(err error) {
	if sub.over == nil {
		sub.over = err
	}
	sub.ready.Wake()
	sub.datagramReady.Wake()
}
