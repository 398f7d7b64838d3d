package inorder

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

const (
	// gapsEvery is how often the track is asked for gaps while a group is
	// missing: it does not tell by itself that it knows of one.
	gapsEvery = 20 * time.Millisecond

	// maxTold bounds the gaps that are kept until it is their turn.
	maxTold = 4096
)

// A Loop is one iteration over a track. One goroutine uses it; what that shares
// with the goroutines that read ahead is in room, and with those that fetch in
// fetches.
type Loop struct {
	ctx   context.Context
	track Track
	c     Config

	started  bool   // next is known
	next     uint64 // the first one that was neither returned nor lost
	accepted bool   // the one before next was returned as the track had it
	held     []held // by number: those whose turn it is not yet
	told     []Gap  // those that the track has told, from next on, by number
	dry      bool   // the track had no group when it was last asked
	end      error  // Accept's last; nil while more may come

	alarm   alarm
	room    room
	fetches *fetches
}

// A held group waits for its turn.
type held struct {
	Group
	ahead   *Ahead // set when it is read ahead
	came    time.Time
	fetched bool
}

// New begins an iteration, to be ended by Leave.
func New(ctx context.Context, t Track, c Config) *Loop {
	l := &Loop{ctx: ctx, track: t, c: c, started: c.From > 0, next: c.From}
	l.room.init(c.Bytes, l.alarm.ring)
	l.fetches = newFetches(ctx, &l.c, &l.alarm)
	return l
}

// Next waits for what is next. It returns false after the error that ends the
// iteration. What has to wait for its turn is read ahead until the next call.
func (l *Loop) Next() (Item, bool) {
	for {
		item := l.take()
		switch {
		case item.Group != nil, item.Lost:
			l.readAhead()
			l.dry = false // groups may come while the caller is busy
			return item, true
		case l.end != nil && len(l.held) == 0 && len(l.told) == 0:
			item.Err = l.end
			return item, l.restart()
		}
		l.await()
	}
}

// Leave ends what still runs for the iteration, but for the groups that were
// returned.
func (l *Loop) Leave() {
	l.fetches.close()
	for _, h := range l.held {
		h.Abandon()
		if h.ahead != nil {
			h.ahead.abandon()
		}
	}
}

// take returns the group that is next, or a loss; neither if it has to be
// awaited, and at the end.
func (l *Loop) take() Item {
	switch {
	case len(l.held) == 0 && l.end != nil:
		return l.takeLastLoss()
	case len(l.held) == 0, !l.started && !l.begin():
		return Item{}
	}
	first := l.held[0]
	number := first.Number()
	if number > l.next {
		return l.takeLoss(number)
	}
	l.held = slices.Delete(l.held, 0, 1)
	l.advance(max(l.next, number+1))
	l.accepted = !first.fetched
	if first.ahead != nil {
		first.ahead.handOver()
	}
	return Item{Group: first.Group, Ahead: first.ahead}
}

// advance makes next the first group that is to come, and forgets what was
// known of those before.
func (l *Loop) advance(next uint64) {
	l.next = next
	l.told = slices.DeleteFunc(l.told, func(g Gap) bool { return g.End <= next })
	l.fetches.forget(next)
}

// begin decides whether the lowest group that is held is the first one of the
// iteration. There is one.
func (l *Loop) begin() bool {
	first := l.held[0].Number()
	if first > 0 && !l.waitedLong() {
		return false
	}
	l.started = true
	l.advance(first)
	return true
}

// full reports whether the bounds of what is held have been reached.
func (l *Loop) full() bool { return len(l.held) >= l.c.Window || l.room.exhausted() }

// waitedLong reports whether what is missing before the groups that are held is
// not waited for any more. While the caller was busy, it may have come.
func (l *Loop) waitedLong() bool {
	return l.end != nil || l.full() || l.dry && l.waited() >= l.c.Patience
}

// waited returns for how long the groups before those that are held have been
// missing.
func (l *Loop) waited() time.Duration {
	first := l.held[0].came
	for _, h := range l.held[1:] {
		if h.came.Before(first) {
			first = h.came
		}
	}
	return time.Since(first)
}

// readAhead begins to read the groups that have to wait.
func (l *Loop) readAhead() {
	for i := range l.held {
		if h := &l.held[i]; h.ahead == nil {
			h.ahead = l.room.readAhead(h.Group)
		}
	}
}

// await waits until there may be something to take.
func (l *Loop) await() {
	if len(l.held) == 0 && l.fetches.idle() {
		l.accept(l.ctx)
		return
	}
	l.readAhead()
	accept, again := l.end == nil && !l.full(), time.Duration(-1)
	if accept && len(l.held) > 0 {
		again = l.patience()
	}
	wait, stop := l.alarm.bound(l.ctx, again)
	defer stop()
	if accept {
		l.accept(wait)
	} else {
		<-wait.Done()
	}
	for _, g := range l.fetches.take() {
		l.hold(g, true)
	}
	l.fetches.forget(l.next)
	if l.end == nil && l.ctx.Err() != nil {
		l.end = context.Cause(l.ctx)
	}
}

// patience returns after which time to look again at what is missing; a
// negative one if only when something has happened.
func (l *Loop) patience() time.Duration {
	left := l.c.Patience - l.waited()
	switch {
	case l.dry && left <= 0: // it is being fetched
		return -1
	case l.started:
		return min(max(left, 0), gapsEvery)
	default:
		return max(left, 0)
	}
}

// accept accepts a group, or notes that no more will come. wait ends with the
// iteration's context, or by the alarm.
func (l *Loop) accept(wait context.Context) {
	g, err := l.track.Accept(wait)
	l.dry = err != nil
	switch {
	case err == nil:
		l.hold(g, false)
	case wait.Err() != nil && (errors.Is(err, errAlarm) || l.ctx.Err() == nil && errors.Is(err, context.Canceled)):
		// The alarm rang: the track goes on.
	default:
		l.end = err
	}
}

// hold adds a group that has come, unless its turn has passed or it is there
// already. One that broke off may come again from the track itself.
func (l *Loop) hold(g Group, fetched bool) {
	number := g.Number()
	again := !fetched && l.accepted && number+1 == l.next
	if number < l.next && !again {
		g.Abandon()
		return
	}
	at, _ := slices.BinarySearchFunc(l.held, number+1, func(h held, number uint64) int {
		return cmp.Compare(h.Number(), number)
	})
	if at > 0 && l.held[at-1].Number() == number && (fetched || l.held[at-1].fetched) {
		g.Abandon()
		return
	}
	h := held{Group: g, fetched: fetched}
	if !l.started || number > l.next || len(l.held) > 0 {
		h.came = time.Now()
	}
	l.held = slices.Insert(l.held, at, h)
}

// restart begins anew where numbers do; it reports false after any other end.
func (l *Loop) restart() bool {
	if !l.track.Restarts(l.end) {
		return false
	}
	l.fetches.close()
	l.fetches = newFetches(l.ctx, &l.c, &l.alarm)
	l.started, l.accepted, l.next, l.told, l.end = false, false, 0, nil, nil
	return true
}
