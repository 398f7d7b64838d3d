package redial

import (
	"context"
	"errors"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A feed is a track's subscription over one session.
type feed struct {
	track  *track
	link   *link
	reader api.TrackReader
	watch  *originWatch
	continuation
	lost error             // why the feed before could not go on
	held []api.GroupReader // groups that came in a trial, before passGroups

	accepting     context.Context
	stopAccepting context.CancelFunc
	poll          poll
	newest        context.Context // ends when next is set, or with the track
	cancelNewest  context.CancelFunc
	begun         signal.Event // its first group has come
	done          signal.Event // nothing more is accepted, and err is set
	err           error
	life          context.Context // ends when its groups are no longer waited for
	cancelLife    context.CancelCauseFunc

	regained chan struct{} // closed when the group asked for again was passed on, or will not come
	next     *feed         // the feed that followed, once newest has ended; guarded by the track's lock

	// The publisher as it was announced at the subscription, or first after
	// that. Used by track.followFeeds alone.
	announced announcedState
	opened    time.Time
	checked   time.Time // when its numbers were last compared with the peer's
	over      time.Time // when its subscription was over, without an end of the track; zero before

	// Guarded by the track's lock.
	numbering *numbering
	first     api.GroupSequence // the first that has come; set when begun has happened
	expected  bool              // the groups missing before its first one are in the account
	end       api.GroupSequence // where the next feed took over; 0 for none
	passed    time.Time         // when its last new group came
	pace      time.Duration     // the time between the last two new groups
	trial     *trial            // the trial of the next feed; nil for none
	taken     int               // number of new groups accepted
	busy      bool              // a group waits for AcceptGroup
	unread    int               // groups passed on and not read to their end
	read      signal.Wake       // unread has become 0
}

// errReplaced is the reason of a change to another publisher.
var errReplaced = errors.New("another publisher has taken its place")

// openFeed subscribes over l to the publisher that was seen there. If another one is
// announced while Subscribe runs, nobody can tell which of the two the peer has
// chosen: openFeed then closes the subscription and returns errReplaced.
func (t *track) openFeed(ctx context.Context, l *link, seen announcedState, config api.SubscribeConfig) (*feed, error) {
	o := l.watchOrigin(t.path)
	l.addUse()
	r, err := l.session.Subscribe(ctx, t.path, t.name, &config)
	if err == nil {
		if now, _ := o.current(); now.replaces(seen) || now.hasChanged(seen) {
			_ = r.Close()
			err = errReplaced
		}
	}
	if err != nil {
		l.unwatchOrigin(o)
		l.removeUse()
		return nil, err
	}
	f := &feed{
		track:     t,
		link:      l,
		reader:    r,
		watch:     o,
		announced: seen,
		opened:    time.Now(),
		read:      signal.NewWake(),
	}
	f.wanted, f.asked, f.same = config, config, true
	f.accepting, f.stopAccepting = context.WithCancel(t.feeding)
	f.poll.renew(f.accepting)
	f.newest, f.cancelNewest = context.WithCancel(t.ctx)
	f.life, f.cancelLife = context.WithCancelCause(context.Background())
	return f, nil
}

// releaseOrigin ends f's use of its originWatch. The track calls it when f is not
// the newest feed any more: until then, what is announced decides how the track
// goes on, even after f has ended.
func (f *feed) releaseOrigin() { f.link.unwatchOrigin(f.watch) }

// successor returns the feed that has followed f, or nil.
func (f *feed) successor() *feed {
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	return f.next
}

// isDone reports whether nothing more is accepted.
func (f *feed) isDone() bool { return f.done.Happened() }

// passGroups passes groups on until the subscription ends, or another has taken
// over.
func (f *feed) passGroups() {
	f.err = f.passUntilEnd()
	f.track.mu.Lock()
	f.track.recordGaps(f)
	f.track.mu.Unlock()
	f.done.Happen()
	f.releaseLink()
}

// passUntilEnd first tells the reader of a new numbering, then passes groups on:
// those that a trial has held, and those that come. It returns why it stopped.
func (f *feed) passUntilEnd() error {
	defer f.dropHeld()
	if err := f.tellRestart(); err != nil {
		return err
	}
	if err := f.awaitFirstAccept(); err != nil {
		return err
	}
	f.passHeld()
	for {
		asked := time.Now()
		wait := f.poll.context()
		g, err := f.reader.AcceptGroup(wait)
		if isPolled(wait, err) && f.accepting.Err() == nil {
			f.poll.renew(f.accepting)
			continue
		}
		if err != nil {
			return err
		}
		f.recordInTrial(g.Sequence(), asked)
		f.passGroup(g)
	}
}

// recordInTrial records a group that has come in the trial of the next feed, if
// there is one.
func (f *feed) recordInTrial(seq api.GroupSequence, asked time.Time) {
	f.track.mu.Lock()
	tr := f.trial
	f.track.mu.Unlock()
	if tr != nil {
		tr.noteArrival(tr.byOld, seq, asked)
	}
}

// awaitFirstAccept waits until the application calls AcceptGroup for the first
// time: with GroupLatest, the subscription beneath begins with the group that is
// the newest when its own AcceptGroup is called first.
func (f *feed) awaitFirstAccept() error {
	if f.track.asked.Happened() {
		return nil
	}
	select {
	case <-f.track.asked.Done():
		return nil
	case <-f.accepting.Done():
		return context.Cause(f.accepting)
	case <-f.reader.Context().Done():
		return f.endError()
	}
}

// endError returns the error with which the subscription has ended before
// AcceptGroup was called.
func (f *feed) endError() error { return context.Cause(f.reader.Context()) }

// passGroup passes on a group, unless it came by another feed.
func (f *feed) passGroup(g api.GroupReader) {
	switch f.admitGroup(g.Sequence()) {
	case refused:
		g.Cancel(api.StreamCancelled)
	case again:
		f.passContinued(g)
	case admitted:
		out := f.wrapGroup(g, 0)
		err := f.deliverGroup(out)
		if err != nil {
			out.Cancel(api.StreamCancelled)
		}
		f.track.mu.Lock()
		defer f.track.mu.Unlock()
		f.busy = false
		if err != nil {
			f.numbering.revokeGroup(g.Sequence(), err)
		}
	}
}

// wrapGroup returns g for a reader that has had the frames before from.
func (f *feed) wrapGroup(g api.GroupReader, from uint64) *group {
	out := newGroup(g, from, f.groupDone)
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	out.by, out.numbering = f, f.numbering
	return out
}

// deliverGroup passes a group on, which may then be the newest. It returns an
// error if the reader does not get it.
func (f *feed) deliverGroup(g *group) error {
	t := f.track
	if err := f.deliver(delivery{group: g}); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if g.Sequence()+1 == f.numbering.next {
		f.numbering.last = g
		t.wakeIfNewest(g)
	}
	return nil
}

// An admission is what to do with a group that has come.
type admission int

const (
	refused  admission = iota // cancel it: it came before, or f has to pass on no such group
	admitted                  // pass it on
	again                     // it is the one asked for again
)

// admitGroup decides what to do with a group, and records it.
func (f *feed) admitGroup(seq api.GroupSequence) admission {
	t := f.track
	t.mu.Lock()
	defer t.mu.Unlock()
	isAgain := f.again != nil && seq == f.again.Sequence()
	if f.resumed && seq < f.from && !isAgain {
		return refused // its numbers do not go on: see renumbered
	}
	f.recordFirst(seq)
	switch {
	case f.life.Err() != nil, f.end != 0 && seq >= f.end, !isAgain && !f.numbering.noteGroup(seq):
		return refused
	}
	f.unread++
	if isAgain {
		return again
	}
	now := time.Now()
	if !f.passed.IsZero() {
		f.pace = now.Sub(f.passed)
	}
	f.passed = now
	f.taken++
	f.busy = true
	return admitted
}

// recordFirst records the first group that has come, even if the feed before has
// passed it on already. The track's lock is held.
func (f *feed) recordFirst(seq api.GroupSequence) {
	if f.resumed && !f.expected && seq >= f.from {
		f.expected = true
		f.numbering.expectGap(f.from, seq, f.lost, time.Now().Add(reorderWait))
	}
	if !f.begun.Happened() {
		f.first = seq
		f.begun.Happen()
	}
}

// groupDone records that reading a group has ended, and returns the error for
// its reader.
func (f *feed) groupDone(g *group, err error) error {
	f.track.groupEnded(g, f.link, err)
	// The reader did not cancel the group: it was cut off for a restart.
	if cut := context.Cause(f.life); errors.Is(err, api.ErrClosed) && errors.Is(cut, api.ErrRestarted) {
		err = cut
	}
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	f.unread--
	if f.unread == 0 {
		f.read.Wake()
	}
	return err
}

// deliver hands d to the caller of AcceptGroup. It returns an error if the feed
// is cut off or the track ends first.
func (f *feed) deliver(d delivery) error {
	select {
	case f.track.groups <- d:
		return nil
	case <-f.life.Done():
		return context.Cause(f.life)
	case <-f.track.feeding.Done():
		return context.Cause(f.track.feeding)
	}
}

// releaseLink ends the use of the session when the groups that came over it have
// been read. If the session is lost, the subscription is not closed, so that
// readers can still read what has come.
func (f *feed) releaseLink() {
	t := f.track
	f.awaitRead()
	t.mu.Lock()
	delete(t.feeds, f)
	t.mu.Unlock()
	f.stopAccepting()
	if !f.link.isEnded() && !isA[*api.SessionError](f.err) {
		_ = f.reader.Close()
	}
	f.cancelLife(nil)
	f.link.removeUse()
}

// cutAfter cuts f off a while after another publisher has taken over: readers
// of its groups then get err, since the rest may never come.
func (f *feed) cutAfter(d time.Duration, err error) {
	if sleep(f.life, d) {
		f.cancelLife(err)
	}
}

// awaitRead waits until all groups that were passed on have been read, or will
// not be.
func (f *feed) awaitRead() {
	for {
		f.track.mu.Lock()
		unread := f.unread > 0
		f.track.mu.Unlock()
		if !unread {
			return
		}
		select {
		case <-f.read:
		case <-f.life.Done():
			return
		case <-f.track.closed.Done():
			return
		case <-f.link.session.Context().Done():
			return
		case <-f.track.session.ctx.Done():
			return
		}
	}
}

// updateConfig asks the peer for config, but not for groups before those with which
// a resumed feed began: they have come by the feeds before.
func (f *feed) updateConfig(config api.SubscribeConfig) error {
	if f.resumed && beginsBefore(&config, f.asked.StartGroup) {
		config.StartGroup, config.StartFrame = f.asked.StartGroup, f.asked.StartFrame
	}
	return f.reader.Update(&config)
}

// receiveDatagram receives a datagram, until another feed is the newest.
func (f *feed) receiveDatagram(ctx context.Context, d *api.Datagram) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.newest, cancel)()
	return f.reader.ReceiveDatagram(ctx, d)
}
