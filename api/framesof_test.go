package api_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
)

// TestFramesOf goes on after the errors of groups, and of the track where that
// does.
func TestFramesOf(t *testing.T) {
	f := newFeed()
	f.add(numbered(0), apitest.Group(1, &api.StreamError{Code: api.StreamOld}, apitest.Frames("1 a")...), numbered(2))
	f.end(&api.RestartError{Err: io.ErrUnexpectedEOF})
	f.end(io.EOF)
	var lines []string
	for frame, err := range api.FramesOf(t.Context(), api.Groups(t.Context(), f)) {
		if err != nil {
			if frame != nil {
				t.Errorf("a frame beside %v", err)
			}
			lines = append(lines, err.Error())
			continue
		}
		lines = append(lines, string(frame.Payload))
	}
	expectLines(t, lines, "0 a", "0 b", "1 a", (&api.StreamError{Code: api.StreamOld}).Error(), "2 a", "2 b",
		"the track was restarted: the origin is not known to be the same (unexpected EOF)")
}

// TestFramesOfEndsWithItsContext once, though more has arrived.
func TestFramesOfEndsWithItsContext(t *testing.T) {
	f := newFeed()
	f.add(numbered(0), numbered(1))
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	var lines []string
	for frame, err := range api.FramesOf(ctx, api.Groups(ctx, f)) {
		if err != nil {
			lines = append(lines, err.Error())
			continue
		}
		lines = append(lines, string(frame.Payload))
		if string(frame.Payload) == "0 b" {
			cancel(enough)
		}
	}
	expectLines(t, lines, "0 a", "0 b", "enough")
}

// TestFramesOfIsLeft cancels the group that was being read.
func TestFramesOfIsLeft(t *testing.T) {
	f := newFeed()
	g := numbered(0)
	f.add(g, numbered(1))
	for range api.FramesOf(t.Context(), api.Groups(t.Context(), f)) {
		break
	}
	if err := g.ReadFrame(new(api.Frame)); !errors.Is(err, api.ErrClosed) {
		t.Errorf("not cancelled: %v", err)
	}
	if next, err := f.AcceptGroup(t.Context()); err != nil || next.Sequence() != 1 {
		t.Errorf("%v, %v", next, err)
	}
}
