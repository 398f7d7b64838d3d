package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// Subscribe implements [api.Subscriber].
func (s *Session) Subscribe(ctx context.Context, path api.BroadcastPath, name api.TrackName, config *api.SubscribeConfig) (api.TrackReader, error) {
	sub, err := s.subscribe(ctx, path.Clean(), name, orDefault(config, new(api.SubscribeConfig)))
	if err != nil {
		return nil, cause(ctx, fmt.Sprintf("subscribe to %q in %q", string(name), string(path)), err)
	}
	return sub, nil
}

func (s *Session) subscribe(ctx context.Context, path api.BroadcastPath, name api.TrackName, config *api.SubscribeConfig) (*subscription, error) {
	if err := path.Validate(); err != nil {
		return nil, err
	}
	params, err := s.params(config)
	if err != nil {
		return nil, err
	}
	if err := s.refused(); err != nil {
		return nil, err
	}
	sub := newSubscription(s, config)
	// Groups and datagrams may come as soon as the request has left.
	s.register(sub)
	s.hearDatagrams()
	sub.stream, err = s.open(ctx, message.StreamSubscribe, &message.Subscribe{
		ID: sub.id, Path: string(path), Track: string(name), SubscribeParams: params,
	})
	if err != nil {
		sub.terminate(err)
		return nil, err
	}
	if !s.spawn(sub.run) {
		sub.terminate(s.err())
		return nil, s.err()
	}
	if err := sub.accepted(ctx, path, name); err != nil {
		_ = sub.Close()
		return nil, err
	}
	return sub, nil
}

// params is config as it travels.
func (s *Session) params(c *api.SubscribeConfig) (message.SubscribeParams, error) {
	p := message.SubscribeParams{
		Priority:   wirePriority(c.Priority),
		MaxAge:     publishersMaxAge,
		StartGroup: uint64(c.StartGroup),
		EndGroup:   uint64(c.EndGroup),
		StartFrame: c.StartFrame,
		EndFrame:   c.EndFrame,
	}
	switch {
	case c.MaxLatency > 0:
		p.MaxAge = uint64(max(c.MaxLatency.Milliseconds(), 1))
	case c.MaxLatency < 0:
		p.MaxAge = 0
	}
	if c.StartGroup == api.GroupLatest {
		p.Latest, p.StartGroup = true, 0
	}
	const most = 1<<62 - 2
	switch {
	case (c.StartFrame != 0 || c.EndFrame != 0) && !s.version.FrameBounds:
		return p, fmt.Errorf("frame bounds on %s: %w", s.version.Name, api.ErrNotSupported)
	case c.EndFrame != 0 && c.EndGroup == 0:
		return p, errors.New("an end frame needs an end group")
	case max(p.StartGroup, p.EndGroup, p.StartFrame, p.EndFrame) > most:
		return p, fmt.Errorf("a bound is above %d", uint64(most))
	}
	return p, nil
}

func (s *Session) register(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.id = s.nextID
	s.nextID++
	if s.subs == nil {
		s.subs = make(map[uint64]*subscription)
	}
	s.subs[sub.id] = sub
}

// forget takes a subscription off the session's books.
func (s *Session) forget(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subs[sub.id] == sub {
		delete(s.subs, sub.id)
		s.shrunk()
	}
}

// shrunk tells who waits for the session to drain. The lock is held.
func (s *Session) shrunk() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// subscription reads a track. It implements [api.TrackReader].
type subscription struct {
	session *Session
	id      uint64
	stream  *stream
	writing sync.Mutex // of the stream's sending half

	ctx    context.Context
	cancel context.CancelCauseFunc

	answered      chan struct{} // closed at the publisher's first word, or its refusal
	answer        sync.Once
	ready         chan struct{} // buffered 1: AcceptGroup looks again
	relieved      chan struct{} // buffered 1: the queue is half as long as may be
	progress      chan struct{} // buffered 1: a group came or was finished
	datagramReady chan struct{} // buffered 1: ReceiveDatagram looks again

	// Guarded by session.unread.mu.
	info      api.TrackInfo
	config    api.SubscribeConfig
	queue     []*groupReader
	behind    bool // its reader has not kept up
	datagrams []message.Datagram
	open      int    // groups not read to their end
	held      uint64 // of the budget for what nobody reads
	arrived   ranges // numbers that came, or are known to be lost
	gaps      gaps
	start     api.GroupSequence // the least number to come, once known
	started   bool
	end       api.GroupSequence // the first number not to come, once known
	endKnown  bool
	latest    bool  // the first group handed out is the newest at hand,
	skipped   bool  // which is done, and start the least that is wanted
	over      error // nothing more will come
	closed    bool
}

var _ api.TrackReader = (*subscription)(nil)

func newSubscription(s *Session, config *api.SubscribeConfig) *subscription {
	sub := &subscription{
		session:       s,
		config:        *config,
		answered:      make(chan struct{}),
		ready:         make(chan struct{}, 1),
		relieved:      make(chan struct{}, 1),
		progress:      make(chan struct{}, 1),
		datagramReady: make(chan struct{}, 1),
		latest:        config.StartGroup == api.GroupLatest && s.version.StartFloor,
	}
	sub.ctx, sub.cancel = context.WithCancelCause(context.Background())
	if config.StartGroup != api.GroupLatest {
		sub.start = config.StartGroup
	}
	return sub
}

// accepted waits for the publisher to accept: from moq-lite-05 on with the
// description of the track, which is asked for at the same time.
func (sub *subscription) accepted(ctx context.Context, path api.BroadcastPath, name api.TrackName) error {
	s := sub.session
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.version.Track {
		// A refused subscription need not wait for the description; one that
		// has come to its end already does.
		stop := context.AfterFunc(sub.ctx, func() {
			if err := sub.refusal(); err != nil {
				cancel(err)
			}
		})
		defer stop()
		info, err := s.askTrack(ctx, path, name)
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return err
		}
		sub.describe(info)
		return nil
	}
	sub.describe(api.TrackInfo{MaxLatency: defaultMaxAge, Timescale: defaultTimescale})
	select {
	case <-sub.answered:
		return sub.refusal()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (sub *subscription) describe(info api.TrackInfo) {
	sub.session.unread.mu.Lock()
	defer sub.session.unread.mu.Unlock()
	sub.info = info
}

// refusal is why the subscription is over, but for the track's end.
func (sub *subscription) refusal() error {
	sub.session.unread.mu.Lock()
	defer sub.session.unread.mu.Unlock()
	if errors.Is(sub.over, io.EOF) {
		return nil
	}
	return sub.over
}

// run reads the publisher's answers until the subscription is over.
func (sub *subscription) run() {
	err := sub.listen()
	if err == nil {
		err = sub.linger()
	}
	sub.terminate(err)
	// The end of our half tells a publisher that all has been received.
	sub.writing.Lock()
	_ = sub.stream.Close()
	sub.writing.Unlock()
	sub.stream.CancelRead(uint64(api.StreamCancelled))
}

// listen takes in answers until the publisher's end of the stream, which is
// nil for the end of the track.
func (sub *subscription) listen() error {
	s := sub.session
	for {
		t, err := s.version.ReadVarint(sub.stream.in)
		if errors.Is(err, io.EOF) {
			return sub.finished05()
		}
		if err == nil {
			err = sub.take(s.version.ResponseKind(t))
		}
		if err != nil {
			if s.ctx.Err() != nil {
				return s.err()
			}
			return streamError(malformedFrame(unanswered(err)))
		}
		sub.answer.Do(func() { close(sub.answered) })
	}
}

// finished05 says whether the end of the stream is the end of the track: from
// moq-lite-05 on, only where the last group has been told.
func (sub *subscription) finished05() error {
	sub.session.unread.mu.Lock()
	defer sub.session.unread.mu.Unlock()
	if sub.session.version.ImplicitOK && !sub.endKnown && !sub.closed {
		return fmt.Errorf("the publisher ended the subscription without an end of the track: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

// take reads one answer.
func (sub *subscription) take(kind message.ResponseKind) error {
	u := &sub.session.unread
	switch kind {
	case message.ResponseOK:
		var m message.SubscribeOK
		return sub.stream.receive(&m)
	case message.ResponseStart:
		var m message.SubscribeStart
		if err := sub.stream.receive(&m); err != nil {
			return err
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		sub.start, sub.started = api.GroupSequence(m.Group), true
		return nil
	case message.ResponseEnd:
		var m message.SubscribeEnd
		if err := sub.stream.receive(&m); err != nil {
			return err
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		sub.end, sub.endKnown = api.GroupSequence(m.Group), true
		return nil
	case message.ResponseDrop:
		var m message.SubscribeDrop
		if err := sub.stream.receive(&m); err != nil {
			return err
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		sub.drop(api.GroupSequence(m.Start), api.GroupSequence(m.End)+1,
			&api.StreamError{Code: api.StreamErrorCode(m.Error), Remote: true})
		return nil
	default:
		return &api.StreamError{Code: api.StreamMalformed}
	}
}

// drop notes that numbers will not come. The unread lock is held.
func (sub *subscription) drop(start, end api.GroupSequence, err error) {
	for _, hole := range sub.arrived.missing(start, end) {
		sub.gaps.add(api.Gap{Start: hole.start, End: hole.end, Err: err})
	}
	sub.arrived.addSpan(start, end)
	wake(sub.progress)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

const (
	// lateGroup is how long a group that is missing at the track's end is
	// waited for while nothing comes.
	lateGroup = 5 * time.Second

	// lateEnd is the same where the publisher cannot say which its last group
	// is, and none is known to be missing.
	lateEnd = time.Second
)

// linger waits, after the publisher's last word, for groups that are still
// under way, and then for the application to have read all. It returns io.EOF,
// or why the session has ended.
func (sub *subscription) linger() error {
	timer := time.NewTimer(lateGroup)
	defer timer.Stop()
	for quiet := false; ; {
		sub.session.unread.mu.Lock()
		missing := sub.missing()
		wait := sub.patience(len(missing) > 0)
		open, closed := sub.open, sub.closed
		if quiet && open == 0 {
			for _, hole := range missing {
				sub.drop(hole.start, hole.end, nil)
			}
			missing, wait = nil, 0
		}
		if len(missing) == 0 && (wait == 0 || quiet) {
			sub.finishQueue(io.EOF)
			if open == 0 || closed {
				sub.session.unread.mu.Unlock()
				return io.EOF
			}
		}
		sub.session.unread.mu.Unlock()
		quiet = false
		timer.Reset(max(wait, time.Millisecond))
		select {
		case <-sub.progress:
		case <-timer.C:
			quiet = true
		case <-sub.session.ctx.Done():
			return sub.session.err()
		}
	}
}

// missing is what was promised and has not come. The unread lock is held.
func (sub *subscription) missing() []span {
	if len(sub.arrived.spans) == 0 && !sub.endKnown {
		return nil
	}
	start := sub.start
	if !sub.started && len(sub.arrived.spans) > 0 {
		start = sub.arrived.spans[0].start
	}
	end := sub.end
	if !sub.endKnown {
		end = sub.arrived.spans[len(sub.arrived.spans)-1].end
	}
	return sub.arrived.missing(start, end)
}

// patience is how long to wait for more while nothing comes.
func (sub *subscription) patience(missing bool) time.Duration {
	age := sub.config.MaxLatency
	if age == 0 {
		age = sub.info.MaxLatency
	}
	switch {
	case missing:
		return min(max(age, lateEnd), lateGroup)
	case sub.endKnown:
		return 0
	default:
		return lateEnd
	}
}

// finishQueue makes err what follows the groups that are queued. The unread
// lock is held.
func (sub *subscription) finishQueue(err error) {
	if sub.over == nil {
		sub.over = err
	}
	wake(sub.ready)
	wake(sub.datagramReady)
}

// terminate ends the subscription: nothing more comes, whatever the reason.
func (sub *subscription) terminate(err error) {
	u := &sub.session.unread
	u.mu.Lock()
	sub.finishQueue(err)
	err = sub.over
	u.mu.Unlock()
	if errors.As(err, new(*api.SessionError)) {
		sub.session.mu.Lock()
		sub.session.broken.Subscriptions++
		sub.session.mu.Unlock()
	}
	sub.cancel(err)
	sub.answer.Do(func() { close(sub.answered) })
	sub.session.forget(sub)
}

// offer takes in a group of the peer: into the queue, or away if it is not
// wanted.
func (sub *subscription) offer(g *groupReader) {
	s := sub.session
	u := &s.unread
	u.mu.Lock()
	if sub.full() && !sub.behind {
		sub.awaitReader()
	}
	if sub.closed || sub.over != nil || !sub.arrived.add(g.seq) {
		u.mu.Unlock()
		g.in.stream.CancelRead(uint64(api.StreamCancelled))
		return
	}
	if hole, ok := sub.arrived.squeeze(); ok {
		sub.gaps.add(api.Gap{Start: hole.start, End: hole.end, Err: &api.StreamError{Code: api.StreamTooFarBehind}})
	}
	if sub.skipped && g.seq < sub.start {
		u.mu.Unlock()
		g.in.stream.CancelRead(uint64(api.StreamOld))
		return
	}
	var excess *groupReader
	if sub.full() {
		excess = sub.oldestQueued()
		sub.lose(excess)
	}
	sub.queue = append(sub.queue, g)
	sub.open++
	u.add(g)
	wake(sub.ready)
	wake(sub.progress)
	u.mu.Unlock()
	if excess != nil {
		excess.abort(&api.StreamError{Code: api.StreamTooFarBehind})
	}
	s.makeRoom()
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
			sub.gaps.add(api.Gap{Start: g.seq, End: g.seq + 1, Err: &api.StreamError{Code: api.StreamTooFarBehind}})
			return
		}
	}
}

// holds implements holder.
func (sub *subscription) holds() *uint64 { return &sub.held }

// finished implements holder.
func (sub *subscription) finished() {
	sub.open--
	wake(sub.progress)
}

// AcceptGroup implements [api.TrackReader].
func (sub *subscription) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	for {
		g, err := sub.take1()
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

// take1 takes the next group out of the queue; nil without an error when there
// is none yet.
func (sub *subscription) take1() (*groupReader, error) {
	u := &sub.session.unread
	u.mu.Lock()
	defer u.mu.Unlock()
	if sub.closed {
		return nil, api.ErrClosed
	}
	if len(sub.queue) == 0 {
		if sub.over != nil {
			wake(sub.ready) // for the next call
		}
		return nil, sub.over
	}
	if sub.latest && !sub.skipped {
		sub.skipToNewest()
	}
	g := sub.queue[0]
	sub.queue[0] = nil
	sub.queue = sub.queue[1:]
	g.handed = true
	if len(sub.queue) > 0 {
		wake(sub.ready)
	}
	if len(sub.queue) == sub.session.limits.UnreadGroups/2 {
		sub.behind = false
		wake(sub.relieved)
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
			g.in.stream.CancelRead(uint64(api.StreamOld))
		}
	}
	sub.queue = append(sub.queue[:0], newest)
	sub.start, sub.started, sub.skipped = newest.seq, true, true
}

// Gaps implements [api.TrackReader].
func (sub *subscription) Gaps() []api.Gap {
	sub.session.unread.mu.Lock()
	defer sub.session.unread.mu.Unlock()
	return sub.gaps.take()
}

// Info implements [api.TrackReader].
func (sub *subscription) Info() api.TrackInfo {
	sub.session.unread.mu.Lock()
	defer sub.session.unread.mu.Unlock()
	return sub.info
}

// Context implements [api.TrackReader].
func (sub *subscription) Context() context.Context { return sub.ctx }

// Update implements [api.TrackReader].
func (sub *subscription) Update(config *api.SubscribeConfig) error {
	c := *orDefault(config, new(api.SubscribeConfig))
	params, err := sub.session.params(&c)
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	u := &sub.session.unread
	u.mu.Lock()
	err = sub.over
	if sub.closed {
		err = api.ErrClosed
	}
	if err == nil {
		sub.config = c
	}
	u.mu.Unlock()
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	sub.writing.Lock()
	defer sub.writing.Unlock()
	if err := sub.stream.send(&message.SubscribeUpdate{SubscribeParams: params}); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	return nil
}

// Close implements [api.TrackReader].
func (sub *subscription) Close() error {
	u := &sub.session.unread
	u.mu.Lock()
	if sub.closed {
		u.mu.Unlock()
		return nil
	}
	sub.closed = true
	sub.finishQueue(api.ErrClosed)
	sub.queue, sub.datagrams = nil, nil
	var open []*groupReader
	for g := u.open; g != nil; g = g.older {
		if g.of == holder(sub) {
			open = append(open, g)
		}
	}
	u.mu.Unlock()
	for _, g := range open {
		g.abortWith(api.ErrClosed, api.StreamCancelled)
	}
	sub.cancel(api.ErrClosed)
	sub.session.forget(sub)
	wake(sub.progress)
	// Unsubscribing is a FIN; the publisher's own ends run.
	sub.writing.Lock()
	defer sub.writing.Unlock()
	_ = sub.stream.Close()
	_ = sub.stream.SetReadDeadline(sub.session.in(sub.session.setupIn))
	return nil
}

// maxGaps bounds the gaps that nobody has asked for.
const maxGaps = 256

// gaps are the losses not told yet, in order.
type gaps []api.Gap

// add puts a gap in, merged with its neighbour where the cause is the same.
// Beyond maxGaps, the two oldest become one that covers both.
func (l *gaps) add(g api.Gap) {
	list := *l
	i := len(list)
	for i > 0 && list[i-1].Start > g.Start {
		i--
	}
	if i > 0 && list[i-1].End == g.Start && sameCause(list[i-1].Err, g.Err) {
		list[i-1].End = g.End
		return
	}
	list = append(list[:i], append([]api.Gap{g}, list[i:]...)...)
	if len(list) > maxGaps {
		list[1].Start = list[0].Start
		list = list[1:]
	}
	*l = list
}

func sameCause(a, b error) bool {
	var x, y *api.StreamError
	if errors.As(a, &x) && errors.As(b, &y) {
		return *x == *y
	}
	return a == nil && b == nil
}

func (l *gaps) take() []api.Gap {
	out := *l
	*l = nil
	return out
}
