package numbers

import "github.com/moqlite/moqlite/api"

// A Coverage is what a subscriber knows of the group numbers of a track. Each number that
// is asked for has arrived, is in a gap, was left out, or may still come; it becomes a gap
// at most once, and never after it has arrived, unless the group is lost then. The zero
// value asks for all numbers.
type Coverage struct {
	from, to api.GroupSequence // the numbers that are asked for; to is 0 for no end

	arrived Set               // numbers that have arrived, or are in a gap
	top     api.GroupSequence // one above the highest that has arrived; 0 for none
	gaps    Gaps              // not yet returned by TakeGaps

	first   api.GroupSequence // if begun, the least number that may come
	begun   bool
	end     api.GroupSequence // if ended, the first number that will not come
	ended   bool
	skipped bool // SkipTo was called: numbers below first are left out
	left    Set  // the numbers that were left out
}

// Ask sets which numbers are asked for: those in [start, end), or all from start on if end
// is 0. With [api.GroupLatest] the publisher chooses the first one, or SkipTo does. With
// another start, numbers that were left out and are asked for now become gaps.
func (c *Coverage) Ask(start, end api.GroupSequence) {
	c.from, c.to = start, end
	if start == api.GroupLatest {
		return
	}
	for _, span := range c.left.Spans() {
		start, end := c.clip(span.Start, span.End)
		c.gaps.Add(api.Gap{Start: start, End: end, Err: &api.StreamError{Code: api.StreamOld}})
	}
	c.left, c.skipped = Set{}, false
}

// Arrive adds a number that has arrived. It reports false if it was there already, or is in
// a gap. If there are too many ranges of missing numbers, the oldest becomes a gap.
func (c *Coverage) Arrive(n api.GroupSequence) bool {
	if !c.arrived.Add(n) {
		return false
	}
	c.top = max(c.top, n+1)
	// A publisher may use numbers below the one that it began with after all, as when
	// an earlier group is opened later; what is missing then counts from there.
	if c.begun && !c.skipped {
		c.first = min(c.first, n)
	}
	if hole, ok := c.arrived.Squeeze(); ok {
		c.gaps.Add(api.Gap{Start: hole.Start, End: hole.End, Err: &api.StreamError{Code: api.StreamTooFarBehind}})
	}
	return true
}

// Lose makes a gap of a number that has arrived, because its group is given up.
func (c *Coverage) Lose(n api.GroupSequence, err error) {
	c.gaps.Add(api.Gap{Start: n, End: n + 1, Err: err})
}

// Begin notes that n is the least number that may come. Those before it that are asked for
// become a gap.
func (c *Coverage) Begin(n api.GroupSequence) {
	if first, known := c.firstAsked(); known {
		c.Drop(first, n, nil)
	}
	c.first, c.begun = n, true
}

// End notes that no number from n on will come.
func (c *Coverage) End(n api.GroupSequence) { c.end, c.ended = n, true }

// Ended reports whether End was called.
func (c *Coverage) Ended() bool { return c.ended }

// Drop makes a gap of the numbers in [start, end) that are asked for and have not arrived.
func (c *Coverage) Drop(start, end api.GroupSequence, err error) {
	start, end = c.clip(start, end)
	c.gaps.Lose(&c.arrived, api.Gap{Start: start, End: end, Err: err})
}

// DropMissing makes a gap of all that is missing.
func (c *Coverage) DropMissing(err error) {
	for _, hole := range c.Missing() {
		c.Drop(hole.Start, hole.End, err)
	}
}

// SkipTo makes n the first number of a subscription that asks for the newest one. Those
// below it are left out from now on.
func (c *Coverage) SkipTo(n api.GroupSequence) { c.first, c.begun, c.skipped = n, true, true }

// Skipped reports whether SkipTo was called, and numbers were not asked for anew since.
func (c *Coverage) Skipped() bool { return c.skipped }

// Below reports whether n is below the number that SkipTo has set.
func (c *Coverage) Below(n api.GroupSequence) bool { return c.skipped && n < c.first }

// LeaveOut notes that the group n was refused, because it is below the first one.
func (c *Coverage) LeaveOut(n api.GroupSequence) {
	c.left.Add(n)
	c.left.Squeeze() // bounded, like arrived
}

// First returns the number that the subscription began with: the one of SkipTo, or else the
// lowest that has arrived. ok is false if there is none.
func (c *Coverage) First() (n api.GroupSequence, ok bool) {
	spans := c.arrived.Spans()
	switch {
	case c.skipped:
		return c.first, true
	case len(spans) > 0:
		return spans[0].Start, true
	default:
		return 0, false
	}
}

// Highest returns the highest number that has arrived. ok is false if none has.
func (c *Coverage) Highest() (n api.GroupSequence, ok bool) { return max(c.top, 1) - 1, c.top > 0 }

// Missing returns the numbers of the track that have neither arrived nor become a gap: up
// to its end, or else up to the highest that has arrived.
func (c *Coverage) Missing() []Span {
	spans := c.arrived.Spans()
	if len(spans) == 0 && !c.ended {
		return nil
	}
	start, known := c.firstAsked()
	switch {
	case known:
	case c.begun:
		start = c.first
	case len(spans) > 0:
		start = spans[0].Start
	}
	end := c.end
	if !c.ended {
		end = spans[len(spans)-1].End
	}
	return c.arrived.Missing(c.clip(start, end))
}

// TakeGaps removes and returns the gaps, as [Gaps.Take] does.
func (c *Coverage) TakeGaps() []api.Gap { return c.gaps.Take() }

// firstAsked returns the first number that is asked for. known is false if the publisher
// chooses it: the oldest group that it has, or the newest.
func (c *Coverage) firstAsked() (n api.GroupSequence, known bool) {
	if c.from == api.GroupLatest {
		return c.first, c.skipped
	}
	return c.from, c.from > 0
}

// clip returns the part of [start, end) that is asked for.
func (c *Coverage) clip(start, end api.GroupSequence) (api.GroupSequence, api.GroupSequence) {
	if first, known := c.firstAsked(); known {
		start = max(start, first)
	}
	if c.to > 0 {
		end = min(end, c.to)
	}
	return start, end
}
