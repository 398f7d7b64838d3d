package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/moqlite/moqlite/api/internal/inorder"
)

// An aheadGroup is a group of [Ordered] that was read ahead while it waited for
// its turn: its first frames come from memory, and all that follow from the
// group itself.
type aheadGroup struct {
	GroupReader
	ahead *inorder.Ahead
	taken bool // nothing is in memory any more; used by the reading goroutine
}

// ReadFrame implements [GroupReader].
func (a *aheadGroup) ReadFrame(f *Frame) error {
	h, read, payload, err := a.take()
	switch {
	case err != nil:
		return err
	case a.taken:
		return a.GroupReader.ReadFrame(f)
	case payload == nil:
		f.Timestamp, f.Payload = h.Timestamp, append(f.Payload[:0], read...)
		return nil
	case h.Size > a.ahead.Limit():
		a.Cancel(StreamFrameTooLarge)
		return fmt.Errorf("a frame of %d bytes: %w (OrderedConfig.Bytes is %d)", h.Size, ErrFrameTooLarge, a.ahead.Limit())
	}
	f.Timestamp = h.Timestamp
	f.Payload, err = inorder.ReadPayload(f.Payload[:0], payload, h.Size)
	return asGroupError(err)
}

// NextFrame implements [GroupReader].
func (a *aheadGroup) NextFrame() (FrameHeader, io.Reader, error) {
	h, read, payload, err := a.take()
	switch {
	case err != nil:
		return FrameHeader{}, nil, err
	case a.taken:
		return a.GroupReader.NextFrame()
	case payload == nil:
		payload = bytes.NewReader(read)
	}
	return FrameHeader(h), payload, nil
}

// take returns the next frame that was read ahead, or begun, or sets taken.
func (a *aheadGroup) take() (h inorder.Header, read []byte, payload io.Reader, err error) {
	if a.taken {
		return h, nil, nil, nil
	}
	h, read, payload, err = a.ahead.Take()
	a.taken = err == nil && read == nil && payload == nil
	return h, read, payload, asGroupError(err)
}

// asGroupError translates the errors of package inorder.
func asGroupError(err error) error {
	switch {
	case errors.Is(err, inorder.ErrCancelled):
		return ErrClosed
	case errors.Is(err, inorder.ErrShort):
		return &StreamError{Code: StreamWrongSize, Remote: true}
	default:
		return err
	}
}

// Cancel implements [GroupReader].
func (a *aheadGroup) Cancel(code StreamErrorCode) {
	a.ahead.Cancel()
	a.GroupReader.Cancel(code)
}
