package api

import (
	"context"
	"io"
	"math"
)

// A GroupSequence is the number of a group in its track, from 0 (the Group
// Sequence of moq-lite-06, "GROUP").
type GroupSequence uint64

// GroupLatest, as [SubscribeConfig].StartGroup, asks for the newest group that
// the publisher has and for those that follow: the live edge. A handler sees
// the number of the newest group in its place, or 0 while there is none; see
// [LatestHandler].
//
// moq-lite-06 has no such value in SUBSCRIBE. There the subscriber asks with
// max age 0 for the newest group only, and when one has come, for those that
// follow it; of the groups that came before the first AcceptGroup, it returns
// the newest. The handler sees 0 and a negative MaxLatency until the
// subscription is updated.
const GroupLatest GroupSequence = math.MaxUint64

// A GroupReader reads one group of a subscription (moq-lite-06, "GROUP") or a
// fetch ("FETCH"), frame by frame. One goroutine reads at a time; Cancel may be
// called at any time.
//
//	var frame api.Frame
//	for {
//		err := group.ReadFrame(&frame) // its memory is used again
//		if err == io.EOF {
//			return nil // the group is complete
//		}
//		if err != nil {
//			return err // frames may be missing
//		}
//		…
//	}
//
// Cancel a group that you do not read to its end: until then, what has arrived
// of it counts against the session's limits.
type GroupReader interface {
	// Sequence returns the group's number.
	Sequence() GroupSequence

	// ReadFrame waits for the next frame and reads it completely into f,
	// reusing the capacity of f.Payload. After the last frame it returns
	// io.EOF. If the publisher resets the group, it returns a remote
	// [*StreamError]; the frames read before stay valid. A frame above the
	// session's limit is [ErrFrameTooLarge].
	ReadFrame(f *Frame) error

	// NextFrame waits for the next frame's header and returns a reader of its
	// payload, which returns bytes while the frame still arrives, and io.EOF
	// after the last. The reader is an io.WriterTo. It is valid until the next
	// call of NextFrame or ReadFrame, which skips what was not read.
	NextFrame() (FrameHeader, io.Reader, error)

	// FirstFrame returns the index of the first frame that is present. It is
	// above 0 only if the publisher honoured a StartFrame.
	FirstFrame() uint64

	// Cancel tells the publisher that the rest of the group is not wanted.
	// Blocked and later reads return [ErrClosed].
	Cancel(code StreamErrorCode)
}

// A GroupWriter writes one group, frame by frame (moq-lite-06, "GROUP" and
// "FRAME"). One goroutine writes at a time; Cancel may be called at any time.
// The code that opened the group ends it, by Close or Cancel; a group that is
// still open when its handler returns is reset.
//
// A group that its subscriber did not ask for, by range or by age, behaves as
// any other and sends nothing.
//
// Keep groups below 1,000 frames: a reader may join at any group, but not in
// the middle of one. Browsers (@moq/lite) hold 1,024 frames of a group that is
// not read yet, and the relays and players written in Rust (moq-rs) refuse a
// group of more than 8,192. Groups above 1,024 frames are sent all the same,
// and logged once for each subscription.
type GroupWriter interface {
	// Sequence returns the group's number.
	Sequence() GroupSequence

	// WriteFrame copies f.Payload and does not wait for its delivery, but blocks
	// while the group, its track or its session has gathered too much: for up to
	// 100 ms at a time, or for as long as the link is too slow or the peer
	// withholds credit. It fails with a [*StreamError] if the subscriber does
	// not want the rest of the group or the group is too old, with [ErrClosed]
	// after Close or Cancel, with a [*SessionError] if the session has ended,
	// and if the version cannot express f.Timestamp or a frame that StartFrame
	// began is incomplete.
	WriteFrame(f Frame) error

	// StartFrame begins a frame of exactly h.Size bytes, which the caller then
	// writes to the returned writer. Writing more is an error. If less was
	// written at the next call or at Close, the group is reset with
	// [StreamWrongSize].
	StartFrame(h FrameHeader) (io.Writer, error)

	// SkipFrames says, before the first frame, that the first n frames of the
	// group are not available. If the subscriber asked for a frame before frame
	// n, the group is reset as not found.
	SkipFrames(n uint64) error

	// Close ends the group after its last frame. It does not wait for delivery.
	Close() error

	// Cancel resets the group with a code; the subscriber may or may not get
	// the frames written before.
	Cancel(code StreamErrorCode)

	// Context ends with the group: when it is closed, cancelled, refused by the
	// subscriber or too old, or when its subscription ends.
	Context() context.Context
}
