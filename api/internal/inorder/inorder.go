// Package inorder puts what is numbered and arrives in any order into the order
// of its numbers, within bounds of time and memory. It is what api.Ordered is
// made of, and knows groups only by what it does with them.
package inorder

import (
	"context"
	"io"
	"time"
)

// A Group is a group of frames. Abandon may be called at any time, and unblocks
// Next; one goroutine at a time calls Next.
type Group interface {
	// Number returns the group's number.
	Number() uint64
	// Next waits for the next frame; it returns io.EOF after the last.
	Next() (Header, io.Reader, error)
	// Abandon says that the rest is not wanted.
	Abandon()
}

// A Header is what is known of a frame before its payload.
type Header struct{ Timestamp, Size uint64 }

// A Gap is a range of numbers [Start, End) that will not come, and the reason.
type Gap struct {
	Start, End uint64
	Err        error
}

// A Track is where the groups come from. The loop alone calls Accept and Gaps.
type Track interface {
	// Accept waits for the next group; one that has come is returned even if
	// ctx is done. When ctx ends, the error wraps its cause.
	Accept(ctx context.Context) (Group, error)
	// Gaps returns what is known to be lost since the last call.
	Gaps() []Gap
	// Restarts reports whether numbers begin anew after an error of Accept.
	Restarts(err error) bool
}

// A Config has the bounds, none of which is 0, and Fetch.
type Config struct {
	From     uint64 // 0: the lowest that comes within Patience of the first
	Window   int
	Bytes    uint64
	Patience time.Duration

	// Fetch asks for a group; nil: nothing is asked.
	Fetch func(ctx context.Context, number uint64) (Group, error)
	// Never reports whether an error of Fetch means that there is no use in
	// asking for any other.
	Never func(err error) bool
	// Same reports whether two errors of Fetch can be told as one.
	Same func(a, b error) bool
	// Foreign reports whether the error of a gap means that its numbers are not
	// of this track's reader: they are passed over without a word.
	Foreign func(err error) bool
}

// An Item is the next in order: a group, a loss, or an error of the track.
type Item struct {
	// Group is nil with a loss or an error.
	Group Group
	// Ahead has what was read of the group; nil if nothing was.
	Ahead *Ahead
	// Gap is the loss if Lost is set.
	Gap  Gap
	Lost bool
	// Err is the error of the track.
	Err error
}
