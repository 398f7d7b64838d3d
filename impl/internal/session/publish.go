package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/numbers"
	"github.com/moqlite/moqlite/impl/internal/send"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

// A publication is open until Close is called, by the application or because its handler
// has returned: groups may be opened. It then is closed: groups that are being written are
// finished, and conclude waits for them to send the end of the track. It is over when that
// was sent, when the subscriber has left, or after CloseWithError: nothing more is sent.
// The session still counts it until the subscriber has ended its half of the stream, since
// nothing else tells that the groups have arrived.
//
// The handler's goroutine opens groups, gapwriter.go reports those that will not come,
// datagram.go sends datagrams, and conclude.go ends a publication. What it has to say to
// the subscriber goes through its outbox, so that none of them waits for the subscriber.

// serveSubscribe serves one subscription of the peer (moq-lite-06, SUBSCRIBE). The
// application's handler gets a [publication] and writes to it in another goroutine,
// while this one reads the subscriber's updates.
func (r *request) serveSubscribe() {
	var m message.Subscribe
	if !r.receiveFirst(&m) {
		return
	}
	// The application is asked first, and may take its time.
	p, err := r.accept(&m)
	r.logAnswer(m.Path, api.TrackName(m.Track), err)
	if err != nil {
		r.Refuse(api.ErrorCode(err))
		return
	}
	lost := p.readUpdates()
	p.unsubscribed(&api.StreamError{Code: api.StreamCancelled, Remote: true})
	r.session.serving.unregister(p, lost != nil)
}

// accept starts to serve a subscription, or returns why it is refused.
func (r *request) accept(m *message.Subscribe) (*publication, error) {
	s := r.session
	req := api.TrackRequest{
		Path:    s.peer.fullPath(m.Path),
		Name:    api.TrackName(m.Track),
		Config:  subscribeConfig(&m.SubscribeParams),
		Session: s,
	}
	if err := s.serving.room(s.limits.SubscriptionsPerSession); err != nil {
		return nil, err
	}
	broadcast, err := r.lookup(req.Path)
	if err != nil {
		return nil, err
	}
	info, err := r.describe(broadcast, req)
	if err != nil {
		return nil, err
	}
	if m.Latest {
		req.Config.StartGroup = latest(broadcast, req.Name)
	}
	p := newPublication(s, r.Stream, m.ID, broadcast, req, info)
	if err := s.serving.register(p, s.limits.SubscriptionsPerSession); err != nil {
		p.cancel(err) // the contexts of the session and the broadcast would keep it
		return nil, err
	}
	if !s.version.ImplicitOK {
		p.outbox.Put(&message.SubscribeOK{SubscribeParams: message.SubscribeParams{Priority: m.Priority, Latest: true}})
	}
	control.Call(&s.opts.log, "ServeTrack", func() {
		broadcast.Handler().ServeTrack(p)
		p.handlerReturned()
	}, func() { _ = p.CloseWithError(api.StreamInternal) })
	return p, nil
}

// subscribeConfig translates the fields of a SUBSCRIBE or SUBSCRIBE_UPDATE.
func subscribeConfig(m *message.SubscribeParams) api.SubscribeConfig {
	c := api.SubscribeConfig{
		Priority:   apiPriority(m.Priority),
		MaxLatency: message.Milliseconds(m.MaxAge),
		StartGroup: api.GroupSequence(m.StartGroup),
		EndGroup:   api.GroupSequence(m.EndGroup),
		StartFrame: m.StartFrame,
		EndFrame:   m.EndFrame,
	}
	switch {
	case m.MaxAge == 0:
		c.MaxLatency = -1
	case m.MaxAge >= publishersMaxAge:
		c.MaxLatency = 0
	}
	return c
}

// latest returns the number of the newest group of a track. While there is none it
// returns [api.GroupLatest] if the handler is an [api.LatestHandler], and else 0.
func latest(b *api.Publication, name api.TrackName) api.GroupSequence {
	served := b.Handler()
	if tracks, ok := served.(api.Tracks); ok {
		served = tracks[name]
	}
	h, ok := served.(api.LatestHandler)
	if !ok {
		seq, _ := b.Latest(name)
		return seq
	}
	if seq, ok := h.LatestGroup(name); ok {
		return seq
	}
	return api.GroupLatest
}

// publication is the publisher's end of a Subscribe stream. It implements
// [api.TrackWriter].
type publication struct {
	session   *Session
	stream    *control.Stream
	lane      send.Lane
	id        uint64
	broadcast *api.Publication
	info      api.TrackInfo
	updated   signal.Wake
	outbox    control.Outbox // writes to stream

	// ctx ends when the handler need not go on: when the subscriber has left or the
	// track was closed.
	ctx    context.Context
	cancel context.CancelCauseFunc

	// mu guards what follows. It may be held while messages are put into the outbox,
	// so that they are sent in the order of what they tell, and while a group is added
	// to the queue of send.
	mu          sync.Mutex
	request     api.TrackRequest
	sent        numbers.Set             // numbers that were opened as groups, or are in a gap
	asDatagrams numbers.Set             // numbers that were sent as datagrams
	passed      numbers.Set             // numbers that went by outside the range; see pass
	joined      api.GroupSequence       // the track's next number when it was subscribed to
	first       api.GroupSequence       // the lowest number that may be sent, once started
	next        api.GroupSequence       // one above the highest number so far
	started     bool                    // first is known, and SUBSCRIBE_START queued
	open        age.Groups[*send.Group] // groups that are not over
	settled     signal.Wake             // open has become empty
	closed      bool                    // no more groups may be opened
	over        bool                    // no more messages are sent
	long        atomic.Bool             // the warning about long groups was logged
}

var (
	_ api.TrackWriter = (*publication)(nil)
	_ api.GapWriter   = (*publication)(nil)
)

// newPublication returns the publication of a subscription that was accepted. Its context
// ends with the subscription and with the session, and with the broadcast too, unless its
// handler passes on what others publish: that may go on by another route.
func newPublication(s *Session, st *control.Stream, id uint64, b *api.Publication, req api.TrackRequest, info api.TrackInfo) *publication {
	p := &publication{
		session:   s,
		stream:    st,
		id:        id,
		broadcast: b,
		info:      info,
		request:   req,
		updated:   signal.NewWake(),
		settled:   signal.NewWake(),
	}
	if newest, some := b.Latest(req.Name); some {
		p.joined = newest + 1
	}
	p.outbox.Init((*host)(s), st)
	p.open.SetRule(age.NewRule(req.Config.MaxLatency, info.MaxLatency, info.Timescale))
	p.lane.Init(s.serving.queueFor(s, st), wirePriority(req.Config.Priority), wirePriority(info.Priority))
	// It is a child of the session's context, so it has ended before a write fails
	// for the end of the session: after an error, handlers look here whether the
	// subscriber is gone.
	p.ctx, p.cancel = context.WithCancelCause(s.Context())
	if _, passesOn := b.Handler().(api.OriginHandler); !passesOn {
		life := b.Context()
		stop := context.AfterFunc(life, func() { p.cancel(context.Cause(life)) })
		context.AfterFunc(p.ctx, func() { stop() })
	}
	return p
}

// readUpdates reads the subscriber's updates until the end of its half of the stream. It
// returns an error only if the connection was lost.
func (p *publication) readUpdates() error {
	for {
		var m message.SubscribeUpdate
		if err := p.stream.Receive(&m); err != nil {
			switch _, lost := errors.AsType[*transport.ConnError](err); {
			case errors.Is(err, message.ErrMalformed), errors.Is(err, message.ErrTooLarge):
				_ = p.CloseWithError(api.StreamCancelled)
			case lost:
				return err
			case err != io.EOF:
				p.stream.CancelRead(uint64(api.StreamCancelled))
			}
			return nil
		}
		p.update(&m.SubscribeParams)
	}
}

// update applies a SUBSCRIBE_UPDATE. Groups that are open stay so, even those that the
// subscriber does not ask for any more.
func (p *publication) update(m *message.SubscribeParams) {
	c := subscribeConfig(m)
	p.mu.Lock()
	if m.Latest { // the start stays as it is
		c.StartGroup = p.request.Config.StartGroup
	}
	p.request.Config = c
	p.open.SetRule(age.NewRule(c.MaxLatency, p.info.MaxLatency, p.info.Timescale))
	p.tellPassed()
	p.mu.Unlock()
	p.lane.SetPriority(wirePriority(c.Priority))
	p.updated.Wake()
}

// Request implements [api.TrackWriter].
func (p *publication) Request() api.TrackRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.request
}

// Updated implements [api.TrackWriter].
func (p *publication) Updated() <-chan struct{} { return p.updated }

// Context implements [api.TrackSink].
func (p *publication) Context() context.Context { return p.ctx }

// OpenGroup implements [api.TrackSink]. The number is taken under the lock, so that of two
// calls at once neither takes the other's number for that of another subscriber.
func (p *publication) OpenGroup(ctx context.Context) (api.GroupWriter, error) {
	if err := p.usable(ctx); err != nil {
		return nil, fmt.Errorf("open group: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	start, asked := max(p.next, p.joined), p.isStartKnown()
	seq := p.broadcast.NextGroup(p.request.Name)
	g, err := p.openGroup(seq)
	if err == nil && asked {
		p.leaveOut(api.Gap{Start: start, End: seq, Err: errOtherSubscriber})
	}
	return g, err
}

// OpenGroupAt implements [api.TrackSink].
func (p *publication) OpenGroupAt(ctx context.Context, seq api.GroupSequence) (api.GroupWriter, error) {
	if err := p.usable(ctx); err != nil {
		return nil, fmt.Errorf("open group %d: %w", seq, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq < maxGroups {
		p.broadcast.TakeGroup(p.request.Name, seq)
	}
	return p.openGroup(seq)
}

// usable returns an error if no group may be opened.
func (p *publication) usable(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return api.ErrClosed
	}
	return nil
}

// maxGroups is the first number that no group may have, so that the number after the
// last group can be encoded too.
const maxGroups = message.MaxVarint

// openGroup opens the group seq. The caller has taken the number from the broadcast. A
// group that the subscriber does not ask for is silent: it can be written, and nothing is
// sent. The lock is held.
func (p *publication) openGroup(seq api.GroupSequence) (api.GroupWriter, error) {
	if seq >= maxGroups {
		return nil, fmt.Errorf("open group %d: the number is too high", seq)
	}
	c := p.rangeFrom(seq)
	if p.closed {
		return nil, fmt.Errorf("open group %d: %w", seq, api.ErrClosed)
	}
	if !within(&c, seq) {
		g := p.lane.NewSilentGroup(p, seq)
		p.open.Add(g)
		p.pass(seq, seq+1)
		p.next = max(p.next, seq+1)
		return g, nil
	}
	if p.asDatagrams.Has(seq) || !p.sent.Add(seq) {
		return nil, fmt.Errorf("open group %d: it was opened before, or is given up", seq)
	}
	g := p.lane.NewGroup(p, seq, wanted(&c, seq))
	if !g.Open() {
		return nil, fmt.Errorf("open group %d: %w", seq, p.session.life.err())
	}
	p.open.Add(g)
	p.next = max(p.next, seq+1)
	p.startAt(seq)
	p.squeeze()
	return g, nil
}

// rangeFrom returns what the subscriber asks for. If it asked for the newest group while
// there was none, it starts with seq from now on. The lock is held.
func (p *publication) rangeFrom(seq api.GroupSequence) api.SubscribeConfig {
	if c := &p.request.Config; c.StartGroup == api.GroupLatest {
		c.StartGroup = seq
	}
	return p.request.Config
}

// startAt sends SUBSCRIBE_START when the first number is used (moq-lite-05 and 06). It
// names the number that the subscriber asked to start with, or else seq. The lock is
// held.
func (p *publication) startAt(seq api.GroupSequence) {
	if p.started {
		p.first = min(p.first, seq)
		return
	}
	p.started, p.first = true, seq
	if start := p.request.Config.StartGroup; start > 0 {
		p.first = start
	}
	if p.session.version.ImplicitOK {
		p.outbox.Put(&message.SubscribeStart{Group: uint64(p.first)})
	}
}

// within reports whether a group is in the range that the subscriber asks for.
func within(c *api.SubscribeConfig, seq api.GroupSequence) bool {
	return seq >= c.StartGroup && (c.EndGroup == 0 || seq < c.EndGroup)
}

// wanted returns which frames of a group the subscriber asks for.
func wanted(c *api.SubscribeConfig, seq api.GroupSequence) (f send.Frames) {
	if seq == c.StartGroup {
		f.First = c.StartFrame
	}
	if seq+1 == c.EndGroup {
		f.End = c.EndFrame
	}
	return f
}

// AppendHeader implements [send.Owner]: it appends the type of a Group stream and GROUP.
func (p *publication) AppendHeader(b []byte, g *send.Group, first uint64) []byte {
	m := message.Group{Subscribe: p.id, Sequence: uint64(g.Sequence()), StartFrame: first}
	b = p.session.version.AppendVarint(b, uint64(message.StreamGroup))
	return m.Append(p.session.version, b)
}

// longGroup is the number of frames of a group that every known subscriber can hold: the
// limit of browsers, which is the lowest.
const longGroup = 1024

// warnLong logs, once for each publication, that a group is too long for some
// subscribers.
func (p *publication) warnLong(g *send.Group) {
	if p.long.Swap(true) {
		return
	}
	if logger := p.session.opts.log.At(slog.LevelWarn); logger != nil {
		req := p.Request()
		logger.Warn("a group has more than 1,024 frames: browsers will not read it whole",
			"path", string(req.Path), "track", string(req.Name), "group", g.Sequence())
	}
}

// FrameBegins implements [send.Owner]: it resets the groups that have become too old by
// this frame.
func (p *publication) FrameBegins(g *send.Group, timestamp uint64) {
	if g.Begun() > longGroup && !p.long.Load() {
		p.warnLong(g)
	}
	if p.open.GoesOn(g.AgeEntry(), timestamp) {
		return
	}
	p.mu.Lock()
	old := p.open.Stamp(g, timestamp)
	p.mu.Unlock()
	for _, g := range old {
		g.Reset(&api.StreamError{Code: api.StreamOld}, api.StreamOld)
	}
}

// GroupDone implements [send.Owner]. For a group that was reset here it sends
// SUBSCRIBE_DROP, since the subscriber may have seen nothing of its stream.
func (p *publication) GroupDone(g *send.Group, end send.Ending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open.Remove(g) {
		return
	}
	if end.Reset && !g.Silent() && !p.over && !refused(end.Err) {
		p.queueDrop(api.Gap{Start: g.Sequence(), End: g.Sequence() + 1, Err: &api.StreamError{Code: end.Code}})
	}
	if p.open.Len() == 0 {
		p.settled.Wake()
	}
}

// refused reports whether a group has ended because the subscriber has refused it.
func refused(err error) bool {
	reset, ok := errors.AsType[*api.StreamError](err)
	return ok && reset.Remote
}
