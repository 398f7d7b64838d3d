package apitest

import (
	"bytes"
	"io"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// Frames returns a frame for each text, with the timestamps 0, 1, 2, ….
func Frames(texts ...string) []api.Frame {
	frames := make([]api.Frame, len(texts))
	for i, text := range texts {
		frames[i] = api.Frame{Timestamp: uint64(i), Payload: []byte(text)}
	}
	return frames
}

// Group returns a group with these frames, whose reads then return err; nil is
// io.EOF, the group's regular end.
func Group(seq api.GroupSequence, err error, frames ...api.Frame) api.GroupReader {
	if err == nil {
		err = io.EOF
	}
	return &groupReader{seq: seq, frames: frames, err: err}
}

type groupReader struct {
	seq api.GroupSequence

	mu        sync.Mutex
	frames    []api.Frame
	err       error
	cancelled bool
}

func (g *groupReader) Sequence() api.GroupSequence { return g.seq }
func (g *groupReader) FirstFrame() uint64          { return 0 }

func (g *groupReader) nextFrame() (api.Frame, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.cancelled:
		return api.Frame{}, api.ErrClosed
	case len(g.frames) == 0:
		return api.Frame{}, g.err
	}
	f := g.frames[0]
	g.frames = g.frames[1:]
	return f, nil
}

func (g *groupReader) ReadFrame(f *api.Frame) error {
	next, err := g.nextFrame()
	if err != nil {
		return err
	}
	f.Timestamp = next.Timestamp
	f.Payload = append(f.Payload[:0], next.Payload...)
	return nil
}

func (g *groupReader) NextFrame() (api.FrameHeader, io.Reader, error) {
	next, err := g.nextFrame()
	if err != nil {
		return api.FrameHeader{}, nil, err
	}
	return api.FrameHeader{Timestamp: next.Timestamp, Size: uint64(len(next.Payload))}, bytes.NewReader(next.Payload), nil
}

func (g *groupReader) Cancel(api.StreamErrorCode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cancelled = true
}
