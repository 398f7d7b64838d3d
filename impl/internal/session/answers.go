package session

import (
	"fmt"
	"io"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/receive"
)

// One goroutine reads the publisher's half of a Subscribe stream. Once it runs, it alone
// calls terminate, so that what the application gets at the end is decided in one place:
// first all groups that have arrived, then why there are no more.

// receiveAnswers reads the publisher's answers until the subscription is over.
func (sub *subscription) receiveAnswers() {
	err := sub.readAnswers()
	if err == nil {
		err = sub.linger()
	}
	sub.terminate(err)
	// The end of our half tells the publisher that everything was received.
	sub.outbox.Finish()
	sub.stream.CancelRead(uint64(api.StreamCancelled))
}

// readAnswers reads the publisher's messages until the end of its half of the stream. It
// returns nil if that is the end of the track.
func (sub *subscription) readAnswers() error {
	s := sub.session
	for {
		t, err := sub.stream.ReadType()
		if err == io.EOF {
			return sub.endOfTrack()
		}
		if err == nil {
			err = sub.readAnswer(s.version.ResponseKind(t))
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
	if sub.session.version.ImplicitOK && !sub.coverage.Ended() && !sub.closed {
		return fmt.Errorf("the publisher ended the subscription without an end of the track: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

// readAnswer reads one message of the publisher. Groups and datagrams arrive on their own
// while it does, so each message is about numbers that may have arrived or not.
func (sub *subscription) readAnswer(kind message.ResponseKind) error {
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
		sub.coverage.Begin(api.GroupSequence(m.Group))
		sub.progress.Wake()
		return nil
	case message.ResponseEnd:
		var m message.SubscribeEnd
		if err := sub.stream.Receive(&m); err != nil {
			return err
		}
		sub.mu.Lock()
		defer sub.mu.Unlock()
		sub.coverage.End(api.GroupSequence(m.Group))
		return nil
	case message.ResponseDrop:
		var m message.SubscribeDrop
		if err := sub.stream.Receive(&m); err != nil {
			return err
		}
		sub.mu.Lock()
		defer sub.mu.Unlock()
		sub.coverage.Drop(api.GroupSequence(m.Start), api.GroupSequence(m.End)+1,
			&api.StreamError{Code: api.StreamErrorCode(m.Error), Remote: true})
		sub.progress.Wake()
		return nil
	default:
		return &api.StreamError{Code: api.StreamMalformed}
	}
}
