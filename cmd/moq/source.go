package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// now returns the current time as a timestamp in milliseconds.
func now() uint64 { return uint64(time.Now().UnixMilli()) }

// A patternSource publishes the test pattern.
type patternSource struct{ pubFlags }

func (s patternSource) serve(w api.TrackWriter, counted *counters) error {
	req, d := w.Request(), &groupDelivery{w: w, counted: counted}
	for seq := uint64(req.Config.StartGroup); s.groups == 0 || seq < s.groups; seq++ {
		if err := s.group(d, req, seq); err != nil {
			return err
		}
		if err := pause(w.Context(), s.interval); err != nil {
			return err
		}
	}
	return nil
}

// pause waits between two groups, unless ctx ends first.
func pause(ctx context.Context, interval time.Duration) error {
	if interval == 0 {
		return nil
	}
	select {
	case <-time.After(interval):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// group writes one group of the pattern. Its payloads depend on nothing but the
// position, so a reader can check each by itself.
func (s patternSource) group(d *groupDelivery, req api.TrackRequest, seq uint64) error {
	if err := d.beginGroup(api.GroupSequence(seq)); err != nil {
		return err
	}
	for i := range s.frames {
		if err := d.writeFrame(pattern(req.Path, req.Name, seq, i, s.size)); err != nil {
			return err
		}
	}
	return d.endGroup()
}

// An input reads standard input, in lines or in frames of chunk bytes.
type input struct {
	in    *bufio.Reader
	chunk int
}

// newInput returns a stream of standard input, which is read from the first
// subscription on. With keep, its last group is kept for those who come later.
func newInput(ctx context.Context, in io.Reader, chunk int, keep bool) *stream {
	s := &stream{ctx: ctx, keep: keep, produce: input{bufio.NewReader(in), chunk}.produce}
	// Nothing waits for this goroutine: it may block in a terminal forever.
	s.onSubscribe = sync.OnceFunc(func() { go s.produceAll() })
	return s
}

// produce reads standard input to its end. It blocks in Read, which nothing can
// interrupt, so it runs in a goroutine that nobody waits for.
func (s input) produce(send func(piece)) error {
	read := s.lines
	if s.chunk > 0 {
		read = s.chunks
	}
	if err := atEnd(read(send)); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	return nil
}

// lines sends each line as a group of its own, with its line end, so that a
// subscriber can begin at any line. A last line without an end counts too.
func (s input) lines(send func(piece)) error {
	for seq := api.GroupSequence(0); ; seq++ {
		// ReadBytes copies, so the line may be kept.
		text, err := s.in.ReadBytes('\n')
		if len(text) > maxGroup {
			return fmt.Errorf("a line of %d bytes: the maximum is %d; use --chunk for data without lines", len(text), maxGroup)
		}
		if len(text) > 0 {
			send(piece{group: seq, first: true, last: true, payload: text})
		}
		if err != nil {
			return err
		}
	}
}

// chunks sends frames of a fixed size. Each gets memory of its own: subscribers
// may still write it when the next one is read.
func (s input) chunks(send func(piece)) error {
	perGroup := framesAGroup(s.chunk)
	for i := 0; ; i++ {
		buf := make([]byte, s.chunk)
		n, err := io.ReadFull(s.in, buf)
		seq := api.GroupSequence(i / perGroup)
		first, last := i%perGroup == 0, i%perGroup == perGroup-1
		if n > 0 {
			send(piece{group: seq, first: first, last: last || err != nil, payload: buf[:n]})
		} else if !first {
			send(piece{group: seq, last: true})
		}
		if err != nil {
			return err
		}
	}
}

// atEnd returns err, or nil for io.EOF and io.ErrUnexpectedEOF.
func atEnd(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}
