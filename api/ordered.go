package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/moqlite/moqlite/api/internal/inorder"
)

// An OrderedConfig says how long [Ordered] waits for what is missing, and how
// much it may hold meanwhile. The zero value, and a nil *OrderedConfig, are the
// defaults.
type OrderedConfig struct {
	// From is the first group wanted; earlier ones are cancelled. 0 is the
	// lowest that comes within Patience of the first, so that the first one is
	// returned after Patience, unless it is group 0. With a
	// [SubscribeConfig].StartGroup, set From to the same.
	From GroupSequence

	// Window is how many groups are held while an earlier one is missing. When
	// as many are held, the missing one is not waited for any longer. Zero: 256.
	Window int

	// Bytes bounds the frames that are held, in bytes. When there is no room for
	// the next one, a missing group is not waited for any longer. A larger frame
	// of a group that was held is [ErrFrameTooLarge] in ReadFrame; NextFrame has
	// no such bound. Zero: 64 MiB.
	Bytes int64

	// Patience is how long a missing group is waited for, from when a later one
	// was accepted, and how long Fetch may take. Zero: 1 second.
	Patience time.Duration

	// Fetch asks for a missing group before it is called lost, mostly by
	// [Subscriber].Fetch. Up to 8 calls run at once. An error means that the
	// group is lost; after an [ErrNotSupported], which is that of versions
	// below moq-lite-05, no more is asked. ctx bounds the call, which must
	// return when it ends. Nil: nothing is asked.
	Fetch func(ctx context.Context, seq GroupSequence) (GroupReader, error)
}

// A GapError tells that the groups [Start, End) are lost. [Ordered] yields it in
// their place.
type GapError struct{ Gap }

// Error tells the numbers and the reason.
func (e *GapError) Error() string {
	what := fmt.Sprintf("group %d is lost", e.Start)
	if e.End > e.Start+1 {
		what = fmt.Sprintf("groups %d to %d are lost", e.Start, e.End-1)
	}
	if e.Err == nil {
		return what
	}
	return fmt.Sprintf("%s: %v", what, e.Err)
}

// Unwrap returns the reason, which may be nil.
func (e *GapError) Unwrap() error { return e.Err }

// Ordered iterates over the groups of r by number, where [Groups] has them in
// order of arrival: of ten groups that are written at once, the newest arrives
// first. A group in order is passed on as it is. Later ones are held until
// those before them have come, or are lost:
//
//	for group, err := range api.Ordered(ctx, track, nil) {
//		if gap, lost := errors.AsType[*api.GapError](err); lost {
//			log.Printf("%d groups are missing", gap.End-gap.Start)
//			continue
//		}
//		if err != nil {
//			return err
//		}
//		… // read group to its end, or cancel it
//	}
//
// A loss is yielded as a [*GapError] with a nil group, and the loop goes on. A
// group is lost when r has told so (see [TrackReader].Gaps), at the end of the
// track, or when it has not come within Patience, or within the bounds of
// Window and Bytes; and in each of these cases only if it cannot be fetched.
// One that comes later still is cancelled. Numbers that were sent as datagrams
// look like losses. Numbers of other subscribers ([ErrOtherSubscriber]) are no
// losses: they are passed over, neither waited for nor fetched.
//
// An [ErrRestarted] is yielded after the groups that came before it, and the
// loop goes on: numbers begin anew, and From no longer counts. It ends without
// an error at io.EOF, and yields any other error once, after what had come
// before. A group that broke off and comes again (see
// [TrackReader].AcceptGroup) is yielded again.
//
// The groups that are held are read ahead into memory, each by a goroutine of
// its own, so that their publisher and the session's limits do not wait for the
// missing one. While the loop's body runs, groups that follow wait in r.
//
// Ordered accepts the groups of r and takes its Gaps; nothing else may until the
// loop is left. That cancels what is held, and does not close r.
func Ordered(ctx context.Context, r TrackReader, c *OrderedConfig) iter.Seq2[GroupReader, error] {
	return func(yield func(GroupReader, error) bool) {
		loop := inorder.New(ctx, orderedTrack{r}, c.bounds())
		defer loop.Leave()
		for {
			item, goesOn := loop.Next()
			var g GroupReader
			err := item.Err
			switch {
			case item.Lost:
				err = &GapError{Gap{GroupSequence(item.Gap.Start), GroupSequence(item.Gap.End), item.Gap.Err}}
			case err == io.EOF:
				return
			case err == nil && item.Ahead != nil:
				g = &aheadGroup{GroupReader: item.Group.(orderedGroup).GroupReader, ahead: item.Ahead}
			case err == nil:
				g = item.Group.(orderedGroup).GroupReader
			}
			if !yield(g, err) || !goesOn {
				return
			}
		}
	}
}

// bounds returns the config with its defaults.
func (c *OrderedConfig) bounds() inorder.Config {
	if c == nil {
		c = new(OrderedConfig)
	}
	b := inorder.Config{
		From:     uint64(c.From),
		Window:   cmp.Or(max(c.Window, 0), 256),
		Bytes:    cmp.Or(uint64(max(c.Bytes, 0)), 64<<20),
		Patience: cmp.Or(max(c.Patience, 0), time.Second),
		Never:    func(err error) bool { return errors.Is(err, ErrNotSupported) },
		Foreign:  func(err error) bool { return errors.Is(err, ErrOtherSubscriber) },
		Same:     func(a, b error) bool { return ErrorCode(a) == ErrorCode(b) },
	}
	if c.Fetch != nil {
		b.Fetch = func(ctx context.Context, number uint64) (inorder.Group, error) {
			g, err := c.Fetch(ctx, GroupSequence(number))
			return orderedGroup{g}, err
		}
	}
	return b
}

// orderedTrack is a track as package inorder sees it.
type orderedTrack struct{ TrackReader }

func (t orderedTrack) Accept(ctx context.Context) (inorder.Group, error) {
	g, err := t.AcceptGroup(ctx)
	return orderedGroup{g}, err
}

func (t orderedTrack) Gaps() []inorder.Gap {
	told := t.TrackReader.Gaps()
	gaps := make([]inorder.Gap, len(told))
	for i, g := range told {
		gaps[i] = inorder.Gap{Start: uint64(g.Start), End: uint64(g.End), Err: g.Err}
	}
	return gaps
}

func (orderedTrack) Restarts(err error) bool { return errors.Is(err, ErrRestarted) }

// orderedGroup is a group as package inorder sees it.
type orderedGroup struct{ GroupReader }

func (g orderedGroup) Number() uint64 { return uint64(g.Sequence()) }
func (g orderedGroup) Abandon()       { g.Cancel(StreamCancelled) }

func (g orderedGroup) Next() (inorder.Header, io.Reader, error) {
	h, payload, err := g.NextFrame()
	return inorder.Header(h), payload, err
}
