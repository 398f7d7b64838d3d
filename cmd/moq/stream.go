package main

import (
	"context"
	"slices"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A stream is produced once, and sent to all current subscribers. A slow
// subscriber delays the producer, so that nothing is lost.
//
// The producer runs in one goroutine, which calls send; each subscriber has a
// goroutine and a channel. The lock guards who subscribes, and is not held
// while a channel is full. ended and err are set before the channels are
// closed, so subscribers read err without it.
type stream struct {
	ctx         context.Context
	produce     func(send func(piece)) error
	onSubscribe func() // called after each new subscription; may be nil
	keep        bool   // the last group is for those who subscribe after the end

	mu    sync.Mutex
	last  []piece            // of the newest group, with keep
	subs  []streamSubscriber // replaced as a whole, never changed
	ended bool
	err   error
}

// A streamSubscriber connects the stream to the goroutine of one subscriber.
type streamSubscriber struct {
	w      api.TrackWriter
	pieces chan piece
}

// A piece is a frame of a stream, with its group.
type piece struct {
	group   api.GroupSequence
	first   bool // it begins the group
	last    bool // it ends the group
	payload []byte
}

// produceAll produces the stream until its end.
func (s *stream) produceAll() {
	err := s.produce(s.send)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.err = true, err
	for _, sub := range s.subs {
		close(sub.pieces)
	}
}

// serve writes the stream to one subscriber, from the piece after its
// subscription on, until the stream ends or the subscriber leaves.
func (s *stream) serve(w api.TrackWriter, counted *counters) error {
	pieces, err := s.addSubscriber(w)
	if pieces == nil {
		return err
	}
	defer s.removeSubscriber(pieces)
	if s.onSubscribe != nil {
		s.onSubscribe()
	}
	d := &groupDelivery{w: w, counted: counted}
	for {
		select {
		case p, ok := <-pieces:
			if !ok {
				return s.err
			}
			if err := d.writePiece(p); err != nil {
				return err
			}
		case <-w.Context().Done():
			return context.Cause(w.Context())
		case <-s.ctx.Done():
			return nil
		}
	}
}

// addSubscriber adds a subscriber and returns its channel, or nil if the stream
// has ended and nothing is kept.
func (s *stream) addSubscriber(w api.TrackWriter) (chan piece, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended && (s.err != nil || len(s.last) == 0) {
		return nil, s.err
	}
	if s.ended {
		kept := make(chan piece, len(s.last))
		for _, p := range s.last {
			kept <- p
		}
		close(kept)
		return kept, nil
	}
	// Some pieces may wait, so that subscribers of different speed need not
	// take turns for each piece.
	pieces := make(chan piece, 16)
	s.subs = append(slices.Clip(s.subs), streamSubscriber{w, pieces})
	return pieces, nil
}

// removeSubscriber ends a subscription. A send that is waiting for its channel
// goes on when the subscriber's context ends.
func (s *stream) removeSubscriber(pieces chan piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = slices.DeleteFunc(slices.Clone(s.subs), func(sub streamSubscriber) bool { return sub.pieces == pieces })
}

// send sends a piece to all subscribers and waits until each has room for it.
func (s *stream) send(p piece) {
	s.mu.Lock()
	if s.keep {
		if p.first {
			s.last = nil
		}
		s.last = append(s.last, p)
	}
	// A subscriber that joins now begins with the next piece.
	subs := s.subs
	s.mu.Unlock()
	for _, sub := range subs {
		select {
		case sub.pieces <- p:
		case <-sub.w.Context().Done():
		case <-s.ctx.Done():
		}
	}
}
