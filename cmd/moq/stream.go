package main

import (
	"context"
	"slices"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A stream is produced once, and sent to all current subscribers. A slow
// subscriber delays the producer, so that nothing is lost.
type stream struct {
	ctx     context.Context
	produce func(send func(piece)) error
	joined  func() // called after each new subscription; may be nil

	mu    sync.Mutex
	subs  []joint // replaced as a whole, never changed
	ended bool
	err   error
}

// A joint connects the stream to the goroutine of one subscriber.
type joint struct {
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

// run produces the stream until its end.
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

// join adds a subscriber and returns its channel, or nil if the stream has
// ended.
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

// send sends a piece to all subscribers and waits until each has room for it.
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
