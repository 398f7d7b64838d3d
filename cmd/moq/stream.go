package main

import (
	"context"
	"slices"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A stream is produced once, and given to all who are subscribed at the time. A
// subscriber that is slow holds up the producing, so that nothing is lost.
type stream struct {
	ctx     context.Context
	produce func(send func(piece)) error
	joined  func() // called after each subscription; may be nil

	mu    sync.Mutex
	subs  []joint // replaced, never changed
	ended bool
	err   error
}

// A joint is where a stream is handed to the goroutine of a subscriber.
type joint struct {
	w      api.TrackWriter
	pieces chan piece
}

// A piece is a frame of a stream, and where it belongs.
type piece struct {
	group   api.GroupSequence
	first   bool // of its group
	last    bool // of its group
	payload []byte
}

// run produces the stream to its end.
func (s *stream) run() {
	err := s.produce(s.send)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.err = true, err
	for _, sub := range s.subs {
		close(sub.pieces)
	}
}

func (s *stream) serve(w api.TrackWriter, counted *counters) error {
	pieces, err := s.join(w)
	if pieces == nil {
		return err
	}
	defer s.leave(pieces)
	if s.joined != nil {
		s.joined()
	}
	d := &delivery{w: w, counted: counted}
	for {
		select {
		case p, ok := <-pieces:
			if !ok {
				return s.err
			}
			if err := d.piece(p); err != nil {
				return err
			}
		case <-w.Context().Done():
			return context.Cause(w.Context())
		case <-s.ctx.Done():
			return nil
		}
	}
}

// join returns where the pieces of the stream come from now on, or nil at its
// end.
func (s *stream) join(w api.TrackWriter) (chan piece, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, s.err
	}
	pieces := make(chan piece, 16)
	s.subs = append(slices.Clip(s.subs), joint{w, pieces})
	return pieces, nil
}

func (s *stream) leave(pieces chan piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = slices.DeleteFunc(slices.Clone(s.subs), func(sub joint) bool { return sub.pieces == pieces })
}

// send gives a piece to all subscribers, waiting for each.
func (s *stream) send(p piece) {
	s.mu.Lock()
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
