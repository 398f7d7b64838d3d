package redial

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A feed is a track's subscription over one session.
type feed struct {
	track   *track
	link    *link
	reader  api.TrackReader
	origin  *origin
	wanted  api.SubscribeConfig // what the application wanted when it was opened
	start   api.GroupSequence   // the first group asked for
	resumed bool                // it is what follows those that came before
	lost    error               // why the feed before could not go on
	restart *RestartError       // told before the groups

	accepting     context.Context
	stopAccepting context.CancelFunc
	newest        context.Context // ends when another feed is the newest, or the track
	notNewest     context.CancelFunc
	begun         chan struct{} // closed at the first group
	done          chan struct{} // closed when nothing more is accepted, and err is set
	err           error

	succeeded chan struct{} // closed when next is set
	next      *feed

	// Guarded by the track's lock.
	numbering int
	first     api.GroupSequence // that has come
	came      bool              // first is set
	end       api.GroupSequence // where the next feed took over; 0 while none has
	taken     int               // groups accepted
	busy      bool              // one of them waits for the application
	unread    int               // groups passed on and not read to their end
	read      chan struct{}     // buffered 1: unread has become 0
}

// open subscribes over l.
func (t *track) open(ctx context.Context, l *link, config api.SubscribeConfig) (*feed, error) {
	o := l.follow(t.path)
	l.hold()
	r, err := l.session.Subscribe(ctx, t.path, t.name, &config)
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
		wanted:    config,
		begun:     make(chan struct{}),
		done:      make(chan struct{}),
		succeeded: make(chan struct{}),
		read:      make(chan struct{}, 1),
	}
	f.accepting, f.stopAccepting = context.WithCancel(t.ctx)
	f.newest, f.notNewest = context.WithCancel(t.ctx)
	return f, nil
}

// finished tells whether nothing more is accepted.
func (f *feed) finished() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// survives tells whether another subscription may go on where f has ended,
// since the track itself has not: over the next session, or over the same one
// when its publisher, who is gone, has come back. A peer that is about to go,
// or whose publisher is, may reset what it serves before it tells.
func (f *feed) survives() (survives, publisherGone bool) {
	var reset *api.StreamError
	switch {
	case errors.Is(f.err, io.EOF):
		return false, false
	case f.link.over(f.err):
		return true, false
	case !errors.As(f.err, &reset) || !reset.Remote || f.track.lasted() > f.track.session.policy.ResumeTimeout:
		return f.link.fades(f.track.ctx), false
	}
	o := f.link.follow(f.track.path)
	defer f.link.leave(o)
	fades, gone := f.link.withdraws(f.track.ctx, o)
	return fades || gone, gone && !fades
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
	if f.restart != nil && !t.deliver(delivery{err: f.restart}) {
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
	select {
	case <-f.track.asked:
		return nil
	default:
	}
	select {
	case <-f.track.asked:
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
	if !f.admit(g.Sequence()) {
		g.Cancel(api.StreamCancelled)
		return
	}
	out := &group{GroupReader: g, ended: f.groupRead}
	if !f.track.deliver(delivery{group: out}) {
		out.Cancel(api.StreamCancelled)
	}
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	f.busy = false
}

// admit tells whether a group is to be passed on, and notes that it is.
func (f *feed) admit(seq api.GroupSequence) bool {
	t := f.track
	t.mu.Lock()
	defer t.mu.Unlock()
	f.begin(seq)
	if f.end != 0 && seq >= f.end || !t.account.pass(seq) {
		return false
	}
	f.taken++
	f.unread++
	f.busy = true
	t.hop, t.passed = f.origin.hop(), time.Now()
	return true
}

// begin notes the first group that has come, even if the feed before was the
// first to pass it on: it might always be. The track's lock is held.
func (f *feed) begin(seq api.GroupSequence) {
	if f.came {
		return
	}
	f.first, f.came = seq, true
	if f.resumed {
		f.track.expect(f.start, seq, f.lost, time.Now().Add(settle))
	}
	close(f.begun)
}

// groupRead notes that the application is done with a group.
func (f *feed) groupRead() {
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	f.unread--
	if f.unread == 0 {
		select {
		case f.read <- struct{}{}:
		default:
		}
	}
}

// deliver hands d to whoever calls AcceptGroup. It reports false when nobody
// will.
func (t *track) deliver(d delivery) bool {
	select {
	case t.groups <- d:
		return true
	case <-t.ctx.Done():
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
	f.link.leave(f.origin)
	f.link.release()
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
	if f.resumed && beginsBefore(&config, f.start) {
		config.StartGroup, config.StartFrame = f.start, 0
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
