package redial

import (
	"context"
	"errors"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/internal/signal"
)

// A feed is a track's subscription over one session.
type feed struct {
	track  *track
	link   *link
	reader api.TrackReader
	origin *origin
	continuation
	lost    error    // why the feed before could not go on
	restart *restart // by which its numbering began; nil for the track's first

	accepting     context.Context
	stopAccepting context.CancelFunc
	newest        context.Context // ends when another feed is the newest, or the track
	notNewest     context.CancelFunc
	begun         chan struct{} // closed at the first group
	done          chan struct{} // closed when nothing more is accepted, and err is set
	err           error
	life          context.Context // ends when its groups are waited for no longer
	cutOff        context.CancelCauseFunc

	regained  chan struct{} // closed when the group asked for again is passed on, or will not be
	succeeded chan struct{} // closed when next is set
	next      *feed

	// What is known of who publishes: at the subscription, or as soon as it
	// is announced after that. Of run alone (of the track).
	sight   sighting
	opened  time.Time
	checked time.Time // when its numbers were last compared with what the peer has

	// Guarded by the track's lock.
	numbering int
	first     api.GroupSequence // that has come
	came      bool              // first is set
	expected  bool              // what it should have begun with is accounted for
	end       api.GroupSequence // where the next feed took over; 0 while none has
	passed    time.Time         // when the last group came that is new
	taken     int               // groups accepted that are new
	busy      bool              // one of them waits for the application
	unread    int               // groups passed on and not read to their end
	read      signal.Wake       // unread has become 0
}

// errReplaced tells that the publisher is another than it was.
var errReplaced = errors.New("another publisher has taken its place")

// open subscribes over l to what is seen there. The origin of its groups is that
// of the route by which the subscription was made: where the announcement
// changes meanwhile, that is not known, and the error is errReplaced.
func (t *track) open(ctx context.Context, l *link, seen sighting, config api.SubscribeConfig) (*feed, error) {
	o := l.follow(t.path)
	l.hold()
	r, err := l.session.Subscribe(ctx, t.path, t.name, &config)
	if err == nil {
		if now, _ := o.sight(); now.replaces(seen) {
			_ = r.Close()
			err = errReplaced
		}
	}
	if err != nil {
		l.leave(o)
		l.release()
		return nil, err
	}
	f := &feed{
		track:     t,
		link:      l,
		reader:    r,
		origin:    o,
		sight:     seen,
		opened:    time.Now(),
		begun:     make(chan struct{}),
		done:      make(chan struct{}),
		succeeded: make(chan struct{}),
		read:      signal.NewWake(),
	}
	f.wanted, f.asked, f.same = config, config, true
	l.follow(t.path) // for as long as f is the newest: see unwatch
	f.accepting, f.stopAccepting = context.WithCancel(t.ctx)
	f.newest, f.notNewest = context.WithCancel(t.ctx)
	f.life, f.cutOff = context.WithCancelCause(context.Background())
	return f, nil
}

// unwatch ends what open began, when f is not the newest feed any more: until then
// what is announced matters, also after f itself has ended.
func (f *feed) unwatch() { f.link.leave(f.origin) }

// finished tells whether nothing more is accepted.
func (f *feed) finished() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// run passes groups on until the subscription ends, or another has taken over.
func (f *feed) run() {
	f.err = f.pass()
	f.track.mu.Lock()
	f.track.takeGaps(f)
	f.track.mu.Unlock()
	close(f.done)
	f.release()
}

func (f *feed) pass() error {
	t := f.track
	if !f.tellRestart() {
		return context.Cause(t.ctx)
	}
	if err := f.awaitAsked(); err != nil {
		return err
	}
	for {
		g, err := f.reader.AcceptGroup(f.accepting)
		if err != nil {
			return err
		}
		f.take(g)
	}
}

// awaitAsked waits for the application to ask for groups: a session may choose
// where to begin when it is first asked.
func (f *feed) awaitAsked() error {
	if f.track.asked.Happened() {
		return nil
	}
	select {
	case <-f.track.asked.Done():
		return nil
	case <-f.accepting.Done():
		return context.Cause(f.accepting)
	case <-f.reader.Context().Done():
		return f.ended()
	}
}

// ended is how the subscription has ended whose groups nobody has asked for.
func (f *feed) ended() error { return context.Cause(f.reader.Context()) }

// take passes on a group, unless it came by another feed.
func (f *feed) take(g api.GroupReader) {
	switch f.admit(g.Sequence()) {
	case refused:
		g.Cancel(api.StreamCancelled)
	case again:
		f.takeAgain(g)
	case admitted:
		f.hand(newGroup(g, 0, f.groupRead))
		f.track.mu.Lock()
		defer f.track.mu.Unlock()
		f.busy = false
	}
}

// hand passes a group on, which may be the newest then.
func (f *feed) hand(g *group) {
	t := f.track
	if !f.deliver(delivery{group: g}) {
		g.Cancel(api.StreamCancelled)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if g.Sequence()+1 == t.account.next && f.numbering == t.numbering {
		t.last = g
		t.checkLast()
	}
}

// An admission is what is to become of a group that has come.
type admission int

const (
	refused  admission = iota // it came before
	admitted                  // it is passed on
	again                     // it was asked for again
)

// admit tells whether a group is to be passed on, and notes that it is.
func (f *feed) admit(seq api.GroupSequence) admission {
	t := f.track
	t.mu.Lock()
	defer t.mu.Unlock()
	isAgain := f.again != nil && seq == f.again.Sequence()
	if f.resumed && seq < f.from && !isAgain {
		return refused // its numbers do not go on: see renumbered
	}
	f.begin(seq)
	switch {
	case f.life.Err() != nil, f.end != 0 && seq >= f.end, !isAgain && !t.account.pass(seq):
		return refused
	}
	f.unread++
	if isAgain {
		return again
	}
	f.passed = time.Now()
	f.taken++
	f.busy = true
	return admitted
}

// begin notes the first group that has come, even if the feed before was the
// first to pass it on: it might always be. The track's lock is held.
func (f *feed) begin(seq api.GroupSequence) {
	if f.resumed && !f.expected && seq >= f.from {
		f.expected = true
		f.track.expect(f.from, seq, f.lost, time.Now().Add(settle))
	}
	if f.came {
		return
	}
	f.first, f.came = seq, true
	close(f.begun)
}

// groupRead notes that the application is done with a group, and returns what
// it is told.
func (f *feed) groupRead(g *group, err error) error {
	f.track.finished(g, f.link, err)
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

// deliver hands d to whoever calls AcceptGroup. It reports false when nobody
// will, or the feed is cut off.
func (f *feed) deliver(d delivery) bool {
	select {
	case f.track.groups <- d:
		return true
	case <-f.life.Done():
		return false
	case <-f.track.ctx.Done():
		return false
	}
}

// release lets the session go when the groups that came over it have been read.
// Of a session that is lost, what has come is left to its readers.
func (f *feed) release() {
	t := f.track
	f.awaitRead()
	t.mu.Lock()
	delete(t.feeds, f)
	t.mu.Unlock()
	f.stopAccepting()
	if !f.link.ended() && !errors.As(f.err, new(*api.SessionError)) {
		_ = f.reader.Close()
	}
	f.cutOff(nil)
	f.link.release()
	// How the track goes on may be decided by what is announced after its end.
	select {
	case <-f.succeeded:
	case <-t.ctx.Done():
	}
	f.link.leave(f.origin)
}

// cutAfter cuts f off a while after another publisher has taken over: whoever
// still reads its groups is told err, for the rest may never come.
func (f *feed) cutAfter(d time.Duration, err error) {
	if sleep(f.life, d) {
		f.cutOff(err)
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
		case <-f.track.closed:
			return
		case <-f.link.session.Context().Done():
			return
		case <-f.track.session.ctx.Done():
			return
		}
	}
}

// update changes what is asked for, but for where a resumed feed began.
func (f *feed) update(config api.SubscribeConfig) error {
	if f.resumed && beginsBefore(&config, f.asked.StartGroup) {
		config.StartGroup, config.StartFrame = f.asked.StartGroup, f.asked.StartFrame
	}
	return f.reader.Update(&config)
}

// datagram receives a datagram, until another feed is the newest.
func (f *feed) datagram(ctx context.Context, d *api.Datagram) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.newest, cancel)()
	return f.reader.ReceiveDatagram(ctx, d)
}
