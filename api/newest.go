package api

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Newest iterates over the groups of r that are newer than all before: what a
// reader needs of a track whose newest state alone counts, where [Groups] has
// late ones too and [Ordered] waits for them. If several have arrived while the
// loop's body ran, it yields the newest of them and cancels the rest.
//
//	track, err := session.Subscribe(ctx, path, "state", &api.SubscribeConfig{StartGroup: api.GroupLatest})
//	…
//	for group, err := range api.Newest(ctx, track) {
//		…
//	}
//
// It ends without an error at io.EOF, after the newest group. It yields an
// [ErrRestarted] with a nil group and goes on: numbers begin anew. Any other
// error it yields once, after the newest group that came before, and ends. A
// group that broke off and comes again (see [TrackReader].AcceptGroup) is
// yielded again if none newer has come.
//
// What has arrived in part counts as newer too. The loop reads each group to its
// end or cancels it. Leaving the loop does not close r.
func Newest(ctx context.Context, r TrackReader) iter.Seq2[GroupReader, error] {
	return func(yield func(GroupReader, error) bool) {
		now, cancel := context.WithCancelCause(context.Background())
		cancel(errNothingWaits)
		n := newest{r: r, now: now}
		for {
			g, err := n.next(ctx)
			if err == io.EOF || !yield(g, err) || err != nil && !errors.Is(err, ErrRestarted) {
				return
			}
		}
	}
}

// errNothingWaits ends the context of an AcceptGroup that does not wait.
var errNothingWaits = errors.New("no group waits")

// newest is the state of a Newest.
type newest struct {
	r      TrackReader
	now    context.Context // has ended with errNothingWaits
	number GroupSequence   // the highest that was yielded; lower ones are too late
	err    error           // what came after that group
}

// next returns the newest group that has arrived. It waits only if there is none.
func (n *newest) next(ctx context.Context) (GroupReader, error) {
	var found GroupReader
	for n.err == nil {
		wait := ctx
		if found != nil {
			wait = n.now
		}
		g, err := n.r.AcceptGroup(wait)
		switch {
		case found != nil && errors.Is(err, errNothingWaits):
			return found, nil
		case err != nil:
			n.err = err
		case g.Sequence() < n.number:
			g.Cancel(StreamOld)
		default:
			if found != nil {
				found.Cancel(StreamOld)
			}
			found, n.number = g, g.Sequence()
		}
	}
	if found != nil {
		return found, nil
	}
	err := n.err
	n.err = nil
	if errors.Is(err, ErrRestarted) {
		n.number = 0
	}
	return nil, err
}
