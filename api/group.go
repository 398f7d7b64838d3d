package api

import (
	"context"
	"io"
	"math"
)

// A GroupSequence numbers the groups of a track, from 0.
type GroupSequence uint64

// GroupLatest as [SubscribeConfig].StartGroup asks for the newest group that
// the publisher has, and what follows: the live edge. moq-lite-06 has no such
// word: there the subscriber asks for the newest group alone, by a max age of 0,
// until one has come, and then for what follows it; of the groups that came
// before the first AcceptGroup, the newest is handed out. A handler sees the
// number of the newest group in its place, and 0 while there is none; see
// [LatestHandler]. On moq-lite-06 it sees 0 and a negative MaxLatency, until the
// subscription is updated.
const GroupLatest GroupSequence = math.MaxUint64

// A GroupReader reads one group of a subscription or a fetch, frame by frame.
// One goroutine reads at a time; Cancel may be called at any time.
//
//	var frame api.Frame
//	for {
//		err := group.ReadFrame(&frame) // its memory is used again
//		if err == io.EOF {
//			return nil // the group is whole
//		}
//		if err != nil {
//			return err // and this one may have been cut off
//		}
//		…
//	}
//
// Whoever does not read a group to its end cancels it: what it holds counts
// against the session until then.
type GroupReader interface {
	// Sequence is the group's number.
	Sequence() GroupSequence

	// ReadFrame waits for the next frame and reads it whole into f, reusing
	// the capacity of f.Payload. After the last frame it returns io.EOF; when
	// the publisher resets the group, a remote [*StreamError]: the frames read
	// before stand. A frame above the session's limit is [ErrFrameTooLarge].
	ReadFrame(f *Frame) error

	// NextFrame waits for the next frame's header and returns a reader of its
	// payload, which delivers bytes while the frame still arrives and io.EOF
	// after the last. The reader is an io.WriterTo. It is valid until the next
	// call of NextFrame or ReadFrame, which skips what was not read.
	NextFrame() (FrameHeader, io.Reader, error)

	// FirstFrame is the index of the first frame present: above 0 only where
	// a subscription's StartFrame was honoured.
	FirstFrame() uint64

	// Cancel tells the publisher that no more of the group is wanted. Blocked
	// and later reads return [ErrClosed].
	Cancel(code StreamErrorCode)
}

// A GroupWriter writes one group, frame by frame. One goroutine writes at a
// time; Cancel may be called at any time. Whoever opened the group ends it, by
// Close or Cancel; what is still open when its handler returns is reset.
//
// A group that its subscriber did not ask for, by range or by age, behaves as
// any other and sends nothing.
//
// Keep groups below 1,000 frames: a reader may join at any group, and none in
// the middle of one. Browsers (@moq/lite) hold 1,024 frames of a group that is
// not read yet, and the relays and players written in Rust (moq-rs) refuse a
// group of more than 8,192. What is above 1,024 is sent all the same, and logged
// once a subscription.
type GroupWriter interface {
	// Sequence is the group's number.
	Sequence() GroupSequence

	// WriteFrame writes a frame whole. It blocks while the group's buffer is
	// full, or all that its track has gathered is too much; for a little while,
	// 10 ms at a time, when its track has gathered much, and when a group begins
	// for which the peer allows no stream yet; and while dozens of the session's
	// groups are queued and nothing but their number keeps them from being
	// written. It keeps nothing of f.Payload after it has returned. When the
	// subscriber wants no more of the group, or the group is too old, it fails
	// with a [*StreamError].
	WriteFrame(f Frame) error

	// StartFrame begins a frame of exactly h.Size bytes, which are then
	// written to the returned writer as they come. Writing more is an error;
	// if less was written at the next call or at Close, the group is reset
	// with [StreamWrongSize].
	StartFrame(h FrameHeader) (io.Writer, error)

	// SkipFrames says, before the first frame, that the first n frames of the
	// group are not at hand. It is legal if the subscriber asked for frame n
	// or a later one; else the group is reset as not found.
	SkipFrames(n uint64) error

	// Close ends the group: its last frame was written. It does not wait for
	// delivery.
	Close() error

	// Cancel resets the group with a code; the subscriber may or may not have
	// got the frames written before.
	Cancel(code StreamErrorCode)

	// Context ends with the group: closed, cancelled, refused by the
	// subscriber, expired, or gone with its subscription.
	Context() context.Context
}
