package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/numbers"
	"github.com/moqlite/moqlite/impl/internal/receive"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A Subscribe stream carries one subscription (moq-lite-06, SUBSCRIBE):
//
//	subscriber                     publisher
//	SUBSCRIBE                   →
//	                            ←  SUBSCRIBE_OK (03, 04) or SUBSCRIBE_START (05, 06)
//	SUBSCRIBE_UPDATE, repeated  →
//	                            ←  SUBSCRIBE_DROP, repeated
//	                            ←  SUBSCRIBE_END (05, 06), FIN
//	FIN                         →
//
// The groups come on streams of their own, in any order among themselves and to these
// messages; the first may overtake the answer. The subscriber's FIN ends the subscription,
// or, after the publisher's, tells that everything has been received. A reset of either
// half is an error and ends both.
//
// This file has the subscriber's request and what its application does with it. The
// goroutine of answers.go reads the publisher's messages, the accept loop adds groups to
// the queue (queue.go), edge.go makes a subscription begin with the newest group, and
// linger.go ends it.

// Subscribe implements [api.Subscriber].
func (s *Session) Subscribe(ctx context.Context, path api.BroadcastPath, name api.TrackName, config *api.SubscribeConfig) (api.TrackReader, error) {
	sub, err := s.subscribe(ctx, path, name, cmp.Or(config, new(api.SubscribeConfig)))
	s.logAsked(message.StreamSubscribe, path, name, err)
	if err != nil {
		return nil, cause(ctx, fmt.Sprintf("subscribe to %s in %s", quoted(name), quoted(path)), err)
	}
	return sub, nil
}

// subscribe checks what is asked for, sends SUBSCRIBE, and waits until the publisher has
// accepted. Nothing is sent for a request that the version cannot express.
func (s *Session) subscribe(ctx context.Context, path api.BroadcastPath, name api.TrackName, config *api.SubscribeConfig) (*subscription, error) {
	path, err := s.wirePath(ctx, path, name)
	if err != nil {
		return nil, err
	}
	sub := newSubscription(s, config)
	params, err := sub.params(config)
	if err != nil {
		return nil, err
	}
	if err := s.refused(); err != nil {
		return nil, err
	}
	// Groups and datagrams may arrive as soon as the request is sent.
	s.reading.register(sub)
	s.datagrams.of(s).receiveFor(&s.reading)
	sub.stream, err = s.open(ctx, message.StreamSubscribe, &message.Subscribe{
		ID: sub.id, Path: string(path), Track: string(name), SubscribeParams: params,
	})
	if err != nil {
		sub.terminate(err)
		return nil, err
	}
	sub.outbox.Init((*host)(s), sub.stream)
	sub.markAsked()
	if !s.life.spawn(sub.receiveAnswers) {
		sub.terminate(s.life.err())
		return nil, s.life.err()
	}
	if err := sub.accepted(ctx, path, name); err != nil {
		_ = sub.Close()
		return nil, err
	}
	return sub, nil
}

// subscribeParams translates a config to the fields of a SUBSCRIBE, or returns an error
// if the version has no way to express it.
func subscribeParams(v *message.Version, c *api.SubscribeConfig) (message.SubscribeParams, error) {
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
	const most = message.MaxVarint - 1 // a bound may be sent as one more
	switch {
	case (c.StartFrame != 0 || c.EndFrame != 0) && !v.FrameBounds:
		return p, fmt.Errorf("frame bounds on %s: %w", v.Name, api.ErrNotSupported)
	case c.EndFrame != 0 && c.EndGroup == 0:
		return p, errors.New("an end frame needs an end group")
	case max(p.StartGroup, p.EndGroup, p.StartFrame, p.EndFrame) > most:
		return p, fmt.Errorf("a bound is above %d", uint64(most))
	}
	return p, nil
}

// subscription is the subscriber's end of a Subscribe stream. It implements
// [api.TrackReader].
type subscription struct {
	session *Session
	id      uint64
	stream  *control.Stream
	outbox  control.Outbox // writes to stream

	// ctx ends when nothing more will arrive. Groups that have arrived can still be
	// read then.
	ctx    context.Context
	cancel context.CancelCauseFunc

	answered      signal.Event // the publisher has accepted or refused
	ready         signal.Wake  // wakes AcceptGroup
	relieved      signal.Wake  // the queue has become half as long as the limit
	progress      signal.Wake  // a group or datagram has arrived, or a group is finished or lost
	datagramReady signal.Wake  // wakes ReceiveDatagram

	mu        sync.Mutex    // guards what follows
	share     receive.Share // of the session's budget
	info      api.TrackInfo
	config    api.SubscribeConfig
	queue     []*receive.Group // groups that AcceptGroup has not returned, as they came
	behind    bool             // the queue was full for readerGrace; see there
	datagrams []message.Datagram
	coverage  numbers.Coverage
	edge      edge
	over      error // what AcceptGroup returns after the queued groups; nil until the end
	closed    bool  // Close was called
}

var _ api.TrackReader = (*subscription)(nil)

// newSubscription returns a subscription that is not registered and has sent nothing.
func newSubscription(s *Session, config *api.SubscribeConfig) *subscription {
	sub := &subscription{
		session:       s,
		config:        *config,
		ready:         signal.NewWake(),
		relieved:      signal.NewWake(),
		progress:      signal.NewWake(),
		datagramReady: signal.NewWake(),
	}
	atEdge := config.StartGroup == api.GroupLatest && s.version.StartFloor
	sub.share.Init(&s.budget, sub, &sub.mu)
	sub.edge = edge{wanted: atEdge, narrow: atEdge}
	sub.ctx, sub.cancel = context.WithCancelCause(context.Background())
	sub.coverage.Ask(config.StartGroup, config.EndGroup)
	return sub
}

// accepted waits until the publisher has accepted the subscription. In moq-lite-05 and
// 06 that is when it has answered TRACK, which is asked at the same time; before, it is
// when SUBSCRIBE_OK has arrived.
func (sub *subscription) accepted(ctx context.Context, path api.BroadcastPath, name api.TrackName) error {
	s := sub.session
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.version.Track {
		// Stop waiting if the subscription is refused, but not if the track has
		// ended already.
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
	sub.describe(api.TrackInfo{MaxLatency: age.DefaultMax, Timescale: age.DefaultScale})
	select {
	case <-sub.answered.Done():
		return sub.refusal()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// describe sets what Info returns.
func (sub *subscription) describe(info api.TrackInfo) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.info = info
}

// refusal returns why the subscription is over; nil if the track has ended normally.
func (sub *subscription) refusal() error {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.over == io.EOF {
		return nil
	}
	return sub.over
}

// terminate ends the subscription with err, which AcceptGroup returns after the queued
// groups. The numbers that are missing become gaps.
func (sub *subscription) terminate(err error) {
	sub.mu.Lock()
	sub.coverage.DropMissing(err)
	sub.finishQueue(err)
	err = sub.over
	sub.cancel(err) // under the lock: a caller that gets err finds the context ended
	sub.share.End()
	sub.mu.Unlock()
	sub.answered.Happen()
	_, lost := errors.AsType[*api.SessionError](err)
	sub.unregister(lost)
}

// unregister removes the subscription from the session. broken tells that it has ended with
// the connection.
func (sub *subscription) unregister(broken bool) {
	if sub.session.reading.unregister(sub, broken) {
		sub.session.requests.tellEnded()
	}
}

// Gaps implements [api.TrackReader].
func (sub *subscription) Gaps() []api.Gap {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.coverage.TakeGaps()
}

// HighestGroup returns the highest number that has arrived, whether AcceptGroup has
// returned its group or not; false while there is none. Sessions that reconnect (package
// redial) ask for it.
func (sub *subscription) HighestGroup() (seq api.GroupSequence, some bool) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.coverage.Highest()
}

// Info implements [api.TrackReader].
func (sub *subscription) Info() api.TrackInfo {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.info
}

// Context implements [api.TrackReader].
func (sub *subscription) Context() context.Context { return sub.ctx }

// Update implements [api.TrackReader].
func (sub *subscription) Update(config *api.SubscribeConfig) error {
	if err := sub.update(*cmp.Or(config, new(api.SubscribeConfig))); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	return nil
}

// update changes the subscription here first and then queues the message. The lock is held
// for both, so that the last of several updates is also the last that is sent.
func (sub *subscription) update(c api.SubscribeConfig) error {
	if _, err := subscribeParams(sub.session.version, &c); err != nil {
		return err
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	switch {
	case sub.closed:
		return api.ErrClosed
	case sub.over != nil:
		return sub.over
	}
	c = sub.reconfigure(c)
	params, err := sub.params(&c)
	if err != nil {
		return err
	}
	return sub.outbox.Update(&message.SubscribeUpdate{SubscribeParams: params})
}

// Close implements [api.TrackReader].
func (sub *subscription) Close() error {
	sub.mu.Lock()
	if sub.closed {
		sub.mu.Unlock()
		return nil
	}
	// From here on groups and datagrams that arrive are refused, and those that have
	// arrived are cancelled below, without the lock: that may call the transport.
	sub.closed = true
	sub.finishQueue(api.ErrClosed)
	sub.cancel(api.ErrClosed)
	sub.queue, sub.datagrams = nil, nil
	open := sub.share.Groups()
	sub.share.End()
	sub.mu.Unlock()
	for _, g := range open {
		g.Cancel(api.StreamCancelled)
	}
	sub.unregister(false)
	sub.progress.Wake()
	// A FIN unsubscribes; the publisher answers with its own, which ends receiveAnswers.
	sub.outbox.Finish()
	_ = sub.stream.SetReadDeadline(sub.session.controlDeadline())
	return nil
}
