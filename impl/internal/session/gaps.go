package session

import (
	"errors"

	"github.com/moqlite/moqlite/api"
)

// maxGaps bounds the gaps that nobody has asked for.
const maxGaps = 256

// gaps are the losses not told yet, in order.
type gaps []api.Gap

// add puts a gap in, merged with its neighbour where the cause is the same.
// Beyond maxGaps, the two oldest become one that covers both.
func (l *gaps) add(g api.Gap) {
	list := *l
	i := len(list)
	for i > 0 && list[i-1].Start > g.Start {
		i--
	}
	if i > 0 && list[i-1].End == g.Start && sameCause(list[i-1].Err, g.Err) {
		list[i-1].End = g.End
		return
	}
	list = append(list[:i], append([]api.Gap{g}, list[i:]...)...)
	if len(list) > maxGaps {
		list[1].Start = list[0].Start
		list = list[1:]
	}
	*l = list
}

func sameCause(a, b error) bool {
	var x, y *api.StreamError
	if errors.As(a, &x) && errors.As(b, &y) {
		return *x == *y
	}
	return a == nil && b == nil
}

func (l *gaps) take() []api.Gap {
	out := *l
	*l = nil
	return out
}
