package session

import (
	"context"
	"runtime"
	"time"

	"github.com/moqlite/moqlite/api"
)

// handful is how many groups are put into a queue until their reader is let run,
// while no processor is free for it: it then has them while they are in the cache.
const handful = 64

// offer takes in a group of the peer: into the queue, or away if it is not
// wanted.
func (sub *subscription) offer(g *groupReader, now time.Duration) {
	s := sub.session
	u := &s.unread
	u.mu.Lock()
	if sub.full() && !sub.behind {
		sub.awaitReader()
	}
	if sub.closed || sub.over != nil || !sub.arrived.Add(g.seq) {
		u.mu.Unlock()
		g.in.stream.CancelRead(uint64(api.StreamCancelled))
		return
	}
	sub.boundHoles()
	if sub.edge.skipped && g.seq < sub.start {
		sub.leaveOut(g)
		u.mu.Unlock()
		return
	}
	narrow := sub.edge.narrow
	var excess *groupReader
	if sub.full() {
		excess = sub.oldestQueued()
		sub.lose(excess)
	}
	sub.queue = append(sub.queue, g)
	sub.open++
	u.add(g, now)
	pause := len(sub.queue)%handful == 0
	sub.ready.Wake()
	sub.progress.Wake()
	u.mu.Unlock()
	if excess != nil {
		excess.abort(&api.StreamError{Code: api.StreamTooFarBehind})
	}
	if narrow {
		sub.widen()
	}
	if pause {
		runtime.Gosched()
	}
}

// boundHoles gives up the oldest groups that are missing, when they are in too
// many places. The unread lock is held.
func (sub *subscription) boundHoles() {
	if hole, ok := sub.arrived.Squeeze(); ok {
		sub.gaps.Add(api.Gap{Start: hole.Start, End: hole.End, Err: &api.StreamError{Code: api.StreamTooFarBehind}})
	}
}

// full tells whether as many groups wait as may. The unread lock is held.
func (sub *subscription) full() bool { return len(sub.queue) >= sub.session.limits.UnreadGroups }

// readerGrace is how long a reader that has not kept up is waited for, which
// holds up what else comes on the session; after that its groups are given up
// until it has made up for half of them. It takes a reader that just was not
// scheduled much less.
const readerGrace = 10 * time.Millisecond

// awaitReader waits for the reader to make up for half of the queue. The unread
// lock is held, but not meanwhile.
func (sub *subscription) awaitReader() {
	u := &sub.session.unread
	select {
	case <-sub.relieved: // from before
	default:
	}
	u.mu.Unlock()
	timer := time.NewTimer(readerGrace)
	select {
	case <-sub.relieved:
	case <-sub.ctx.Done():
	case <-timer.C:
	}
	timer.Stop()
	u.mu.Lock()
	sub.behind = sub.full()
}

func (sub *subscription) oldestQueued() *groupReader {
	oldest := sub.queue[0]
	for _, g := range sub.queue[1:] {
		if g.seq < oldest.seq {
			oldest = g
		}
	}
	return oldest
}

// lose implements holder: a group in the queue is taken out and becomes a gap;
// one that was handed out fails for its reader.
func (sub *subscription) lose(g *groupReader) {
	sub.session.unread.unpark(g)
	for i, queued := range sub.queue {
		if queued == g {
			sub.queue = append(sub.queue[:i], sub.queue[i+1:]...)
			sub.gaps.Add(api.Gap{Start: g.seq, End: g.seq + 1, Err: &api.StreamError{Code: api.StreamTooFarBehind}})
			return
		}
	}
}

// holds implements holder.
func (sub *subscription) holds() *uint64 { return &sub.held }

// finished implements holder.
func (sub *subscription) finished() {
	sub.open--
	sub.progress.Wake()
}

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

// dequeue takes the next group out of the queue; nil without an error when there
// is none yet.
func (sub *subscription) dequeue() (*groupReader, error) {
	u := &sub.session.unread
	u.mu.Lock()
	defer u.mu.Unlock()
	if sub.closed {
		return nil, api.ErrClosed
	}
	if len(sub.queue) == 0 {
		if sub.over != nil {
			sub.ready.Wake() // for the next call
		}
		return nil, sub.over
	}
	if sub.edge.wanted && !sub.edge.skipped {
		sub.skipToNewest()
	}
	g := sub.queue[0]
	sub.queue[0] = nil
	sub.queue = sub.queue[1:]
	g.handed = true
	if len(sub.queue) > 0 {
		sub.ready.Wake()
	}
	if len(sub.queue) == sub.session.limits.UnreadGroups/2 {
		sub.behind = false
		sub.relieved.Wake()
	}
	return g, nil
}

// skipToNewest gives up what is older than the newest group at hand, once, on
// versions in which the publisher cannot be asked for it. The unread lock is
// held.
func (sub *subscription) skipToNewest() {
	newest := sub.queue[0]
	for _, g := range sub.queue {
		if g.seq > newest.seq {
			newest = g
		}
	}
	for _, g := range sub.queue {
		if g != newest {
			sub.session.unread.remove(g)
			sub.open--
			sub.leaveOut(g)
		}
	}
	sub.queue = append(sub.queue[:0], newest)
	sub.start, sub.started, sub.edge.skipped = newest.seq, true, true
}

// finishQueue makes err what follows the groups that are queued. The unread
// lock is held.
func (sub *subscription) finishQueue(err error) {
	if sub.over == nil {
		sub.over = err
	}
	sub.ready.Wake()
	sub.datagramReady.Wake()
}
