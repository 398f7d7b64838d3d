package data

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/moqlite/moqlite/api"
)

// errMiddle is a group that begins in the middle of its compressed stream.
var errMiddle = errors.New("a compressed group cannot be read from its middle")

// A lossError tells that records are lost, where a GapError tells of groups.
type lossError struct{ gap *api.GapError }

func (e *lossError) Error() string {
	what := fmt.Sprintf("record %d is lost", e.gap.Start)
	if e.gap.End > e.gap.Start+1 {
		what = fmt.Sprintf("records %d to %d are lost", e.gap.Start, e.gap.End-1)
	}
	if e.gap.Err == nil {
		return what
	}
	return fmt.Sprintf("%s: %v", what, e.gap.Err)
}

func (e *lossError) Unwrap() error { return e.gap }

// A log is the state of a loop over records.
type log[T any] struct {
	r       api.TrackReader
	options Options
	yield   func(T, error) bool

	decoder  decoder[T]
	inflater *inflater
	inflated uint64 // the frame that inflater can go on with
	frame    api.Frame

	group  api.GroupSequence // that of the log
	begun  bool              // there is one
	ended  bool              // it was read to its end
	place  uint64            // the next record
	broken error             // why it broke off; nil: it did not, or that was told
}

// readGroup reads the next group; false if nothing more is to be read.
func (l *log[T]) readGroup(ctx context.Context) bool {
	g, err := l.r.AcceptGroup(ctx)
	if err == nil && ctx.Err() != nil {
		g.Cancel(api.StreamCancelled)
		err = context.Cause(ctx)
	}
	switch {
	case err == io.EOF:
		l.tellMissing()
		return false
	case errors.Is(err, api.ErrRestarted):
		l.begun, l.broken, l.place = false, nil, 0
		return l.fail(err)
	case err != nil:
		l.fail(err)
		return false
	case l.begun && (g.Sequence() < l.group || g.Sequence() == l.group && l.ended):
		g.Cancel(api.StreamOld)
		return true
	}
	if !l.take(g) {
		g.Cancel(api.StreamCancelled)
		return false
	}
	stop := context.AfterFunc(ctx, func() { g.Cancel(api.StreamCancelled) })
	defer stop()
	return l.readRecords(ctx, g)
}

// take makes g the group of the log, or goes on with it; false if the loop was
// left.
func (l *log[T]) take(g api.GroupReader) bool {
	seq, goesOn := g.Sequence(), true
	if l.begun && seq == l.group {
		return true
	}
	if l.begun {
		goesOn = l.fail(fmt.Errorf("%w: a log is one group, and group %d has come after group %d", api.ErrRestarted, seq, l.group))
	}
	l.group, l.begun, l.ended, l.broken = seq, true, false, nil
	l.place = g.FirstFrame() // what was asked for
	l.inflated = 0
	l.inflater.reset()
	return goesOn
}

// readRecords reads a group, which may begin before the log's place or after it;
// false if nothing more is to be read.
func (l *log[T]) readRecords(ctx context.Context, g api.GroupReader) bool {
	next := g.FirstFrame()
	if next == 0 {
		l.inflated = 0
		l.inflater.reset()
	}
	l.broken = nil
	if l.options.Deflate && next != l.inflated {
		g.Cancel(api.StreamCancelled)
		return l.lose(l.place, l.place+1, errMiddle)
	}
	if next > l.place {
		lost := l.place
		l.place = next
		if !l.lose(lost, next, nil) {
			g.Cancel(api.StreamCancelled)
			return false
		}
	}
	for ; ; next++ {
		err := g.ReadFrame(&l.frame)
		switch {
		case err == io.EOF:
			l.ended = true
			return true
		case err != nil && ctx.Err() != nil:
			l.fail(context.Cause(ctx))
			return false
		case err != nil:
			return l.breakOff(err)
		}
		text, err := l.text()
		if err != nil {
			g.Cancel(api.StreamCancelled)
			return l.breakOff(err)
		}
		if next >= l.place && !l.tell(next, text) {
			g.Cancel(api.StreamCancelled)
			return false
		}
	}
}

// text returns what the frame is without compression. After an error the group
// is of no use any more.
func (l *log[T]) text() ([]byte, error) {
	if !l.options.Deflate {
		return l.frame.Payload, nil
	}
	l.inflated++
	return l.inflater.inflate(l.frame.Payload)
}

// tell yields the record at the log's place.
func (l *log[T]) tell(place uint64, text []byte) bool {
	l.place = place + 1
	if len(text) > l.options.MaxFrame {
		return l.lose(place, place+1, l.options.tooLarge())
	}
	v, err := l.decoder.decode(text)
	if err != nil {
		return l.fail(fmt.Errorf("record %d: %w", place, err))
	}
	return l.yield(v, nil)
}

// breakOff tells of a group that has broken off, unless it was with its session:
// then it may come again, and AcceptGroup tells if it does not.
func (l *log[T]) breakOff(err error) bool {
	_, reset := errors.AsType[*api.StreamError](err)
	_, session := errors.AsType[*api.SessionError](err)
	if session && !reset || errors.Is(err, api.ErrRestarted) {
		l.broken = err
		return true
	}
	return l.lose(l.place, l.place+1, err)
}

// tellMissing tells, at the end of the track, what of it has not come.
func (l *log[T]) tellMissing() {
	err := l.broken
	for _, gap := range l.r.Gaps() {
		if !l.begun && err == nil && !errors.Is(gap.Err, api.ErrOtherSubscriber) && gap.End > gap.Start {
			err = &api.GapError{Gap: gap}
			l.place = 0
		}
	}
	if err != nil {
		l.lose(l.place, l.place+1, err)
	}
}

// lose yields that records are lost.
func (l *log[T]) lose(start, end uint64, err error) bool {
	l.broken = nil
	return l.fail(&lossError{&api.GapError{Gap: api.Gap{Start: api.GroupSequence(start), End: api.GroupSequence(end), Err: err}}})
}

// fail yields an error.
func (l *log[T]) fail(err error) bool {
	var none T
	return l.yield(none, fmt.Errorf("log: %w", err))
}
