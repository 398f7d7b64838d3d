package session

import (
	"fmt"
	"io"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/receive"
)

// run reads the publisher's answers until the subscription is over.
func (sub *subscription) run() {
	err := sub.listen()
	if err == nil {
		err = sub.linger()
	}
	sub.terminate(err)
	// The end of our half tells the publisher that everything was received.
	sub.outbox.Finish()
	sub.stream.CancelRead(uint64(api.StreamCancelled))
}

// listen reads the publisher's messages until the end of its half of the stream. It
// returns nil if that is the end of the track.
func (sub *subscription) listen() error {
	s := sub.session
	for {
		t, err := sub.stream.ReadType()
		if err == io.EOF {
			return sub.endOfTrack()
		}
		if err == nil {
			err = sub.take(s.version.ResponseKind(t))
		}
		if err != nil {
			if s.life.isOver() {
				return s.life.err()
			}
			return streamError(receive.Malformed(unfinished(err)))
		}
		sub.answered.Happen()
	}
}

// endOfTrack returns an error if the end of the stream is not the end of the track: in
// moq-lite-05 and 06 SUBSCRIBE_END has to come first.
func (sub *subscription) endOfTrack() error {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.session.version.ImplicitOK && !sub.endKnown && !sub.closed {
		return fmt.Errorf("the publisher ended the subscription without an end of the track: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

// take reads one message of the publisher.
func (sub *subscription) take(kind message.ResponseKind) error {
	switch kind {
	case message.ResponseOK:
		var m message.SubscribeOK
		return sub.stream.Receive(&m)
	case message.ResponseStart:
		var m message.SubscribeStart
		if err := sub.stream.Receive(&m); err != nil {
			return err
		}
		sub.mu.Lock()
		defer sub.mu.Unlock()
		sub.starts(api.GroupSequence(m.Group))
		return nil
	case message.ResponseEnd:
		var m message.SubscribeEnd
		if err := sub.stream.Receive(&m); err != nil {
			return err
		}
		sub.mu.Lock()
		defer sub.mu.Unlock()
		sub.end, sub.endKnown = api.GroupSequence(m.Group), true
		return nil
	case message.ResponseDrop:
		var m message.SubscribeDrop
		if err := sub.stream.Receive(&m); err != nil {
			return err
		}
		sub.mu.Lock()
		defer sub.mu.Unlock()
		sub.drop(api.GroupSequence(m.Start), api.GroupSequence(m.End)+1,
			&api.StreamError{Code: api.StreamErrorCode(m.Error), Remote: true})
		return nil
	default:
		return &api.StreamError{Code: api.StreamMalformed}
	}
}

// starts handles SUBSCRIBE_START: seq is the least number that may come. Numbers before
// it that were asked for become a gap. The subscription's lock is held.
func (sub *subscription) starts(seq api.GroupSequence) {
	if start, known := sub.firstWanted(); known {
		sub.drop(start, seq, nil)
	}
	sub.start, sub.started = seq, true
}

// beginsBy notes that a number has arrived. A publisher may use numbers below the one
// of its SUBSCRIBE_START after all, as when an earlier group is opened later; what is
// missing then counts from there. The subscription's lock is held.
func (sub *subscription) beginsBy(seq api.GroupSequence) {
	if sub.started && !sub.edge.skipped {
		sub.start = min(sub.start, seq)
	}
}

// firstWanted returns the first number that was asked for. known is false if the
// publisher chooses it: the oldest group that it has, or the newest. The subscription's lock is
// held.
func (sub *subscription) firstWanted() (seq api.GroupSequence, known bool) {
	seq = sub.config.StartGroup
	if seq == api.GroupLatest {
		return sub.start, sub.edge.skipped
	}
	return seq, seq > 0
}

// clip returns the part of [start, end) that is in the range that was asked for. The
// subscription's lock is held.
func (sub *subscription) clip(start, end api.GroupSequence) (api.GroupSequence, api.GroupSequence) {
	if first, known := sub.firstWanted(); known {
		start = max(start, first)
	}
	if sub.config.EndGroup > 0 {
		end = min(end, sub.config.EndGroup)
	}
	return start, end
}

// drop makes a gap of the numbers in [start, end) that were asked for and have not
// arrived. The subscription's lock is held.
func (sub *subscription) drop(start, end api.GroupSequence, err error) {
	start, end = sub.clip(start, end)
	sub.gaps.Lose(&sub.arrived, api.Gap{Start: start, End: end, Err: err})
	sub.progress.Wake()
}
