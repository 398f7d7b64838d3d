package inorder

import (
	"cmp"
	"io"
	"slices"
)

// takeLoss returns the loss of groups from next on, which lie before a group
// that has come; none if they may still come, or are being fetched.
func (l *Loop) takeLoss(before uint64) Item {
	l.noteGaps()
	end, why, isLost := l.isLost(before)
	switch {
	case !isLost:
		return Item{}
	case l.c.Foreign(why):
		l.passOver(end)
		return l.take()
	}
	if l.fetches.possible() && l.ctx.Err() == nil && (l.end == nil || l.end == io.EOF) {
		if window := uint64(l.c.Window); end-l.next > window {
			return l.lose(end-window, why) // so many would not be held either
		}
		if end, why, isLost = l.fetches.try(l.next, end, why); !isLost {
			return Item{}
		}
	}
	return l.lose(end, why)
}

// takeLastLoss returns the next loss after the last group, as far as the
// track tells it; none if there is none left, or it is being fetched.
func (l *Loop) takeLastLoss() Item {
	l.noteGaps()
	if len(l.told) == 0 {
		return Item{}
	}
	if !l.started {
		l.started = true
		l.advance(l.told[0].Start)
	}
	return l.takeLoss(l.told[0].End)
}

// isLost returns which groups from next on are lost, unless they can be fetched,
// and why.
func (l *Loop) isLost(before uint64) (end uint64, why error, isLost bool) {
	end = before
	if len(l.told) > 0 {
		if first := l.told[0]; first.Start <= l.next {
			return min(first.End, before), first.Err, true
		}
		end = min(l.told[0].Start, before)
	}
	return end, nil, l.waitedLong()
}

// lose returns the loss of the groups from next to end.
func (l *Loop) lose(end uint64, why error) Item {
	gap := Gap{Start: l.next, End: end, Err: why}
	l.passOver(end)
	return Item{Gap: gap, Lost: true}
}

// passOver goes on with a number, after some that do not come.
func (l *Loop) passOver(next uint64) {
	l.accepted = false
	l.advance(next)
}

// noteGaps takes the gaps that the track has told since the last call.
func (l *Loop) noteGaps() {
	gaps := l.track.Gaps()
	if len(gaps) == 0 {
		return
	}
	for _, g := range gaps {
		if g.End > max(g.Start, l.next) {
			l.told = append(l.told, g)
		}
	}
	slices.SortStableFunc(l.told, func(a, b Gap) int { return cmp.Compare(a.Start, b.Start) })
	l.told = l.told[:min(len(l.told), maxTold)]
}
