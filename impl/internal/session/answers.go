package session

import (
	"fmt"
	"io"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// run reads the publisher's answers until the subscription is over.
func (sub *subscription) run() {
	err := sub.listen()
	if err == nil {
		err = sub.linger()
	}
	sub.terminate(err)
	// The end of our half tells a publisher that all has been received.
	sub.outbox.Finish()
	sub.stream.CancelRead(uint64(api.StreamCancelled))
}

// listen takes in answers until the publisher's end of the stream, which is
// nil for the end of the track.
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
			return streamError(malformedFrame(unfinished(err)))
		}
		sub.answered.Happen()
	}
}

// endOfTrack says whether the end of the stream is the end of the track: from
// moq-lite-05 on, only where the last group has been told.
func (sub *subscription) endOfTrack() error {
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
		return sub.stream.Receive(&m)
	case message.ResponseStart:
		var m message.SubscribeStart
		if err := sub.stream.Receive(&m); err != nil {
			return err
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		sub.starts(api.GroupSequence(m.Group))
		return nil
	case message.ResponseEnd:
		var m message.SubscribeEnd
		if err := sub.stream.Receive(&m); err != nil {
			return err
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		sub.end, sub.endKnown = api.GroupSequence(m.Group), true
		return nil
	case message.ResponseDrop:
		var m message.SubscribeDrop
		if err := sub.stream.Receive(&m); err != nil {
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

// starts notes the least number to come: what was asked for before it will not.
// The unread lock is held.
func (sub *subscription) starts(seq api.GroupSequence) {
	if start, known := sub.firstWanted(); known {
		sub.drop(start, seq, nil)
	}
	sub.start, sub.started = seq, true
}

// firstWanted is the first number that was asked for; false where that is the
// oldest or the newest at hand. The unread lock is held.
func (sub *subscription) firstWanted() (seq api.GroupSequence, known bool) {
	seq = sub.config.StartGroup
	if seq == api.GroupLatest {
		return sub.start, sub.edge.skipped
	}
	return seq, seq > 0
}

// clip is the part of [start, end) in the range that was asked for. The unread
// lock is held.
func (sub *subscription) clip(start, end api.GroupSequence) (api.GroupSequence, api.GroupSequence) {
	if first, known := sub.firstWanted(); known {
		start = max(start, first)
	}
	if sub.config.EndGroup > 0 {
		end = min(end, sub.config.EndGroup)
	}
	return start, end
}

// drop notes that numbers will not come, of those that were asked for. The
// unread lock is held.
func (sub *subscription) drop(start, end api.GroupSequence, err error) {
	start, end = sub.clip(start, end)
	sub.gaps.Lose(&sub.arrived, api.Gap{Start: start, End: end, Err: err})
	sub.progress.Wake()
}
