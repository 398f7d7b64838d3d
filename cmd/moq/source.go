package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// now is the timestamp of a frame that is sent now, in milliseconds.
func now() uint64 { return uint64(time.Now().UnixMilli()) }

// patternSource is the test pattern.
type patternSource struct{ pubFlags }

func (s patternSource) serve(w api.TrackWriter, counted *counters) error {
	req := w.Request()
	for seq := uint64(0); s.groups == 0 || seq < s.groups; seq++ {
		if api.GroupSequence(seq) >= req.Config.StartGroup {
			if err := s.group(w, req, seq, counted); err != nil {
				return err
			}
		}
		if s.interval == 0 {
			continue
		}
		select {
		case <-time.After(s.interval):
		case <-w.Context().Done():
			return context.Cause(w.Context())
		}
	}
	return nil
}

func (s patternSource) group(w api.TrackWriter, req api.TrackRequest, seq uint64, counted *counters) error {
	g, err := w.OpenGroupAt(w.Context(), api.GroupSequence(seq))
	if err != nil {
		return err
	}
	for i := range s.frames {
		payload := pattern(req.Path, req.Name, seq, i, s.size)
		if err := g.WriteFrame(api.Frame{Timestamp: now(), Payload: payload}); err != nil {
			return err
		}
		counted.frame(len(payload))
	}
	counted.groups.Add(1)
	return g.Close()
}

// fileSource is a file, in frames of chunk bytes and groups of up to 1 MiB.
type fileSource struct {
	name  string
	chunk int
}

func (s fileSource) serve(w api.TrackWriter, counted *counters) error {
	f, err := os.Open(s.name)
	if err != nil {
		return err
	}
	defer f.Close()
	start := w.Request().Config.StartGroup
	if start > 0 {
		if _, err := f.Seek(int64(start)*int64(s.perGroup())*int64(s.chunk), io.SeekStart); err != nil {
			return err
		}
	}
	buf := make([]byte, s.chunk)
	for seq := start; ; seq++ {
		more, err := s.group(w, f, seq, buf, counted)
		if err != nil || !more {
			return err
		}
	}
}

func (s fileSource) perGroup() int { return max(maxGroup/s.chunk, 1) }

// group writes the next group of the file, if there is more of it.
func (s fileSource) group(w api.TrackWriter, f io.Reader, seq api.GroupSequence, buf []byte, counted *counters) (more bool, err error) {
	n, err := io.ReadFull(f, buf)
	if n == 0 {
		return false, atEnd(err)
	}
	g, openErr := w.OpenGroupAt(w.Context(), seq)
	if openErr != nil {
		return false, openErr
	}
	for i := 1; n > 0; i++ {
		if err := g.WriteFrame(api.Frame{Timestamp: now(), Payload: buf[:n]}); err != nil {
			return false, err
		}
		counted.frame(n)
		if i == s.perGroup() || err != nil {
			break
		}
		n, err = io.ReadFull(f, buf)
	}
	counted.groups.Add(1)
	return err == nil, errors.Join(atEnd(err), g.Close())
}

// atEnd is a read's error, but for the end of what is read.
func atEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// stream is standard input: read once, from the first subscription on, and
// given to all who are subscribed at the time. A subscriber that is slow holds
// up the reading, so that nothing is lost.
type stream struct {
	ctx   context.Context
	in    *bufio.Reader
	chunk int

	start sync.Once
	mu    sync.Mutex
	subs  map[chan piece]api.TrackWriter
	ended bool
	err   error
}

// A piece is a frame of a stream, and where it belongs.
type piece struct {
	group   api.GroupSequence
	first   bool // of its group
	last    bool // of its group
	payload []byte
}

func newStream(ctx context.Context, in io.Reader, chunk int) *stream {
	return &stream{ctx: ctx, in: bufio.NewReader(in), chunk: chunk, subs: make(map[chan piece]api.TrackWriter)}
}

func (s *stream) serve(w api.TrackWriter, counted *counters) error {
	pieces := make(chan piece, 16)
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return s.err
	}
	s.subs[pieces] = w
	s.mu.Unlock()
	defer s.leave(pieces)
	// The reading is not waited for: it may block in a terminal for ever.
	s.start.Do(func() { go s.read() })
	var g api.GroupWriter
	for {
		select {
		case p, ok := <-pieces:
			if !ok {
				return s.err
			}
			if err := s.write(w, &g, p, counted); err != nil {
				return err
			}
		case <-w.Context().Done():
			return context.Cause(w.Context())
		case <-s.ctx.Done():
			return nil
		}
	}
}

// write writes a piece; one that belongs to a group begun before the
// subscription is left out.
func (s *stream) write(w api.TrackWriter, g *api.GroupWriter, p piece, counted *counters) (err error) {
	if p.first {
		if *g, err = w.OpenGroupAt(w.Context(), p.group); err != nil {
			return err
		}
		counted.groups.Add(1)
	}
	if *g == nil {
		return nil
	}
	if p.payload != nil {
		if err := (*g).WriteFrame(api.Frame{Timestamp: now(), Payload: p.payload}); err != nil {
			return err
		}
		counted.frame(len(p.payload))
	}
	if p.last {
		return (*g).Close()
	}
	return nil
}

func (s *stream) leave(pieces chan piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, pieces)
}

// read reads the source to its end.
func (s *stream) read() {
	err := s.readLines()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if err = atEnd(err); err != nil {
		s.err = fmt.Errorf("standard input: %w", err)
	}
	for pieces := range s.subs {
		close(pieces)
	}
}

func (s *stream) readLines() error {
	if s.chunk > 0 {
		return s.readChunks()
	}
	for seq := api.GroupSequence(0); ; seq++ {
		text, err := s.in.ReadBytes('\n')
		if len(text) > maxGroup {
			return fmt.Errorf("a line of %d bytes: the most is %d; is --chunk what you mean?", len(text), maxGroup)
		}
		if len(text) > 0 {
			s.send(piece{group: seq, first: true, last: true, payload: text})
		}
		if err != nil {
			return err
		}
	}
}

func (s *stream) readChunks() error {
	perGroup := max(maxGroup/s.chunk, 1)
	for i := 0; ; i++ {
		buf := make([]byte, s.chunk)
		n, err := io.ReadFull(s.in, buf)
		seq := api.GroupSequence(i / perGroup)
		first, last := i%perGroup == 0, i%perGroup == perGroup-1
		if n > 0 {
			s.send(piece{group: seq, first: first, last: last || err != nil, payload: buf[:n]})
		} else if !first {
			s.send(piece{group: seq, last: true})
		}
		if err != nil {
			return err
		}
	}
}

// send gives a piece to all subscribers, waiting for each.
func (s *stream) send(p piece) {
	s.mu.Lock()
	subs := make(map[chan piece]api.TrackWriter, len(s.subs))
	for pieces, w := range s.subs {
		subs[pieces] = w
	}
	s.mu.Unlock()
	for pieces, w := range subs {
		select {
		case pieces <- p:
		case <-w.Context().Done():
		case <-s.ctx.Done():
		}
	}
}
