package relay

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/moqlite/moqlite/api"
)

// A copier writes one group from one source after another: if one breaks off,
// the next continues at the same byte.
type copier struct {
	out    api.GroupWriter
	frames atomic.Uint64  // written completely, or left out before the first
	heard  *atomic.Uint64 // counts the frames of all groups of a track; may be nil
	came   atomic.Uint64  // counts the frames that sources have begun or continued
	by     *feed          // that brings what is read; nil for a fetch
	within atomic.Bool    // a frame is being written
	begun  bool           // the first frame was determined
	body   io.Writer      // of the frame being written; nil between frames
	size   uint64         // of that frame, in bytes
	sent   uint64         // bytes of it written
	failed error          // why writing to body failed

	shadow atomic.Pointer[shadow] // waits for frames to be written; nil for none
}

// errDiffers is why a source cannot continue a group.
var errDiffers = errors.New("another source has other frames")

// A sinkError is a failure of the writer, not of the source.
type sinkError struct{ error }

func (e sinkError) Unwrap() error { return e.error }

// copyGroup writes the part of src that was not written yet, and closes the
// group at the end of src. If src fails, the group stays open for another
// source; if out fails, the error is a sinkError.
func (c *copier) copyGroup(src api.GroupReader) error {
	if err := c.skipWritten(src); err != nil {
		return err
	}
	for {
		h, payload, err := src.NextFrame()
		switch {
		case err == io.EOF && c.body == nil:
			return c.wrapSinkError(c.out.Close())
		case err == io.EOF:
			return errDiffers
		case err != nil:
			return err
		}
		if err := c.copyFrame(h, payload); err != nil {
			return err
		}
	}
}

// skipWritten skips the frames of src that were written before.
func (c *copier) skipWritten(src api.GroupReader) error {
	first := src.FirstFrame()
	if !c.begun {
		c.begun = true
		c.frames.Store(first)
		if first > 0 {
			return c.wrapSinkError(c.out.SkipFrames(first))
		}
		return nil
	}
	if first > c.frames.Load() {
		return errDiffers
	}
	for ; first < c.frames.Load(); first++ {
		if _, _, err := src.NextFrame(); err == io.EOF {
			return errDiffers
		} else if err != nil {
			return err
		}
	}
	return nil
}

// copyFrame writes one frame, or the rest of the one that has begun.
func (c *copier) copyFrame(h api.FrameHeader, payload io.Reader) error {
	c.came.Add(1)
	if c.body == nil {
		c.within.Store(true)
		body, err := c.out.StartFrame(h)
		if err != nil {
			return sinkError{err}
		}
		c.body, c.size, c.sent = body, h.Size, 0
	} else {
		if h.Size != c.size {
			return errDiffers
		}
		if _, err := io.CopyN(io.Discard, payload, int64(c.sent)); err != nil {
			return err
		}
	}
	_, err := io.Copy((*payloadWriter)(c), payload)
	switch {
	case c.failed != nil:
		return sinkError{c.failed}
	case err != nil:
		return err
	}
	c.body = nil
	c.frames.Add(1)
	c.within.Store(false)
	c.shadow.Load().wake()
	if c.heard != nil {
		c.heard.Add(1)
	}
	if c.by != nil && !c.by.useful.Load() {
		c.by.useful.Store(true)
	}
	return nil
}

func (c *copier) wrapSinkError(err error) error {
	if err != nil {
		return sinkError{err}
	}
	return nil
}

// A payloadWriter is a copier as the io.Writer of a frame's payload: it counts the
// bytes, and keeps the writer's error apart from the reader's.
type payloadWriter copier

// Write implements [io.Writer].
func (b *payloadWriter) Write(p []byte) (int, error) {
	n, err := b.body.Write(p)
	b.sent += uint64(n)
	if err != nil {
		b.failed = err
	}
	return n, err
}
