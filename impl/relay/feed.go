package relay

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A feed is one subscription upstream that brings the groups of a track.
type feed struct {
	filler *filler
	route  *route
	done   chan error // buffered 1: why it has ended; io.EOF is the track's end

	trial  trial
	gapsAt time.Time // when to ask for gaps; zero: after the next group. Used by passGroups alone

	// Used only by the filler's goroutine.
	why     reason
	release func()    // of its slot; nil if the quota was used up
	all     bool      // it asks for all groups, to see their numbers
	since   time.Time // when it was begun,
	heard   uint64    // and the value of filler.heard then

	// No group is accepted after the end of accepting, and none is read after
	// that of life.
	accepting, life context.Context
	retire, stop    context.CancelFunc
	replaced        atomic.Bool // another feed has replaced it
	useful          atomic.Bool // it has brought a frame that the track did not have

	mu     sync.Mutex
	reader api.TrackReader
	config api.SubscribeConfig // what to ask for
}

// feedBy subscribes by a route.
func (f *filler) feedBy(rt *route, config api.SubscribeConfig, why reason) *feed {
	fd := f.newFeed(rt, config, why)
	fd.start()
	return fd
}

// trialBy subscribes by a route that has to go on with group from, or a later
// one.
func (f *filler) trialBy(rt *route, config api.SubscribeConfig, why reason, from api.GroupSequence) *feed {
	fd := f.newFeed(rt, config, why)
	fd.trial.on, fd.trial.holds, fd.trial.from = true, true, from
	fd.start()
	return fd
}

func (f *filler) newFeed(rt *route, config api.SubscribeConfig, why reason) *feed {
	fd := &feed{
		filler: f,
		route:  rt,
		done:   make(chan error, 1),
		why:    why,
		since:  time.Now(),
		heard:  f.heard.Load(),
		config: config,
	}
	fd.trial.from, fd.trial.holds = f.knownEnd()
	fd.release = f.countRequest(rt.session)
	fd.life, fd.stop = context.WithCancel(f.life)
	fd.accepting, fd.retire = context.WithCancel(fd.life)
	return fd
}

// countRequest counts a subscription in a session's quota, and returns what
// uncounts it; nil if there are too many.
func (f *filler) countRequest(u *upstream) (release func()) {
	if f.slot.upstream == u {
		release, f.slot = f.slot.release, slot{}
		return release
	}
	release, _ = u.quota.acquire(f.asker)
	return release
}

func (fd *feed) start() {
	fd.filler.working.Go(func() {
		defer fd.stop()
		fd.done <- fd.passUntilEnd()
	})
}

func (fd *feed) passUntilEnd() error {
	if fd.release == nil {
		return errNoCapacity
	}
	defer fd.release()
	r, err := fd.subscribe()
	if err != nil {
		return err
	}
	defer r.Close()
	stop := context.AfterFunc(fd.life, func() { _ = r.Close() })
	defer stop()
	var reading sync.WaitGroup
	reading.Go(func() { fd.passDatagrams(r) })
	err = fd.passGroups(r, &reading)
	fd.retire()
	fd.awaitGroups(&reading)
	return err
}

// awaitGroups waits until the groups that the feed brought are read to their
// end. If the feed was left, those that have become silent are given up.
func (fd *feed) awaitGroups(reading *sync.WaitGroup) {
	over := make(chan struct{})
	go func() {
		reading.Wait()
		close(over)
	}()
	ticker := time.NewTicker(recoverWithin)
	defer ticker.Stop()
	for {
		if fd.replaced.Load() {
			fd.filler.breakSilent(fd)
		}
		select {
		case <-over:
			return
		case <-ticker.C:
		}
	}
}

// subscribe subscribes, and then updates the subscription if what is wanted has
// changed meanwhile. In versions without frame bounds it asks for the whole
// group.
func (fd *feed) subscribe() (api.TrackReader, error) {
	first := fd.wantedConfig()
	b := fd.filler.broadcast
	r, err := fd.route.session.Subscribe(fd.accepting, b.path, fd.filler.name, &first)
	if first.StartFrame > 0 && errors.Is(err, api.ErrNotSupported) {
		fd.mu.Lock()
		fd.config.StartFrame, first.StartFrame = 0, 0
		fd.mu.Unlock()
		r, err = fd.route.session.Subscribe(fd.accepting, b.path, fd.filler.name, &first)
	}
	if err != nil {
		return nil, err
	}
	fd.mu.Lock()
	fd.reader = r
	latest := fd.config
	fd.mu.Unlock()
	if latest != first {
		_ = r.Update(&latest)
	}
	return r, nil
}

// isSubscribed reports whether there is a subscription at the peer. That of a session
// which reconnects (package redial) goes on without one while there is none.
func (fd *feed) isSubscribed() bool {
	fd.mu.Lock()
	r := fd.reader
	fd.mu.Unlock()
	if s, ok := r.(interface{ Subscribed() bool }); ok {
		return s.Subscribed()
	}
	return r != nil
}

func (fd *feed) wantedConfig() api.SubscribeConfig {
	fd.mu.Lock()
	defer fd.mu.Unlock()
	return fd.config
}

// updateConfig changes what is asked for.
func (fd *feed) updateConfig(config api.SubscribeConfig) {
	newest, some := fd.filler.track.Latest()
	open := some && fd.filler.isWriting(newest)
	fd.mu.Lock()
	asked := fd.config.StartGroup
	switch {
	case !some || asked == api.GroupLatest:
		config.StartGroup = asked
	case config.StartGroup > newest && config.StartGroup != api.GroupLatest:
		config.StartGroup = max(asked, config.StartGroup)
	case asked > newest && open && config.StartGroup <= newest:
		// It is coming already. But if it breaks off with the connection, a session
		// that reconnects (package redial) asks for the rest only if it is wanted.
		config.StartGroup = newest
	default: // what came is not asked for again
		config.StartGroup = asked
	}
	if config.StartGroup == asked {
		config.StartFrame = fd.config.StartFrame
	}
	r, same := fd.reader, fd.config == config
	fd.config = config
	fd.mu.Unlock()
	if r != nil && !same {
		_ = r.Update(&config)
	}
}

// retireAfter makes the feed accept nothing new after a while, since another
// one has replaced it.
func (fd *feed) retireAfter(d time.Duration) {
	fd.replaced.Store(true)
	stop := time.AfterFunc(d, fd.retire).Stop
	context.AfterFunc(fd.accepting, func() { stop() })
}

// passGroups passes groups on until the end.
func (fd *feed) passGroups(r api.TrackReader, reading *sync.WaitGroup) error {
	defer fd.trial.cancelHeld()
	for {
		asked := time.Now()
		g, err := fd.acceptGroup(r)
		if mistaken := fd.decideTrial(time.Now(), reading); mistaken != nil {
			return mistaken
		}
		if fd.trial.begun.Happened() { // else what it lacks is of others
			fd.filler.recordGaps(r.Gaps())
		}
		switch {
		case err == errUndecided:
			continue
		case fd.accepting.Err() != nil && err != nil:
			return context.Cause(fd.accepting)
		case err != nil:
			return err
		}
		fd.handleGroup(g, time.Since(asked), reading)
		if fd.filler.lacksGroups() {
			fd.gapsAt = time.Now().Add(gapsAfter)
		}
	}
}

// gapsAfter is how long after a group its track is asked for gaps once more, if some are
// missing: the publisher may tell a moment later that they will not come, and if the next
// group takes long, viewers must not wait for both.
const gapsAfter = 50 * time.Millisecond

// passGroup passes a group to the filler.
func (fd *feed) passGroup(g api.GroupReader, reading *sync.WaitGroup) {
	reading.Add(1)
	fd.filler.takeSource(&source{GroupReader: g, route: fd.route, feed: fd, done: reading.Done})
}

// passDatagrams copies datagrams, in versions that have them.
func (fd *feed) passDatagrams(r api.TrackReader) {
	var d api.Datagram
	for r.ReceiveDatagram(fd.accepting, &d) == nil {
		if !fd.trial.holds {
			fd.trial.begun.Happen()
		}
		if fd.trial.begun.Happened() {
			_ = fd.filler.track.SendDatagramAt(d.Sequence, d)
		}
	}
}

// started is closed when the feed has begun; for a nil feed, never.
func (fd *feed) started() <-chan struct{} {
	if fd == nil {
		return nil
	}
	return fd.trial.begun.Done()
}

// ended receives the error with which the feed has ended; for a nil feed,
// never.
func (fd *feed) ended() <-chan error {
	if fd == nil {
		return nil
	}
	return fd.done
}

// isTrackEnd reports whether err is the end of a track.
func isTrackEnd(err error) bool { return err == io.EOF }
