package api

import (
	"cmp"
	"slices"
)

// CompareRoutes orders announcements of one broadcast that came by different
// routes, the preferred first: a chain of known hops before one with a hop that
// is 0, then the lowest Warm, the lowest Cold, the fewest hops. It returns 0
// for routes that are equally good; then the newest is preferred.
//
// Relays choose by it. Routes whose first hops are equal, and not 0, lead to
// one origin: a subscription may change between them at the next group. It
// cannot change between routes of different origins, since their groups differ.
func CompareRoutes(a, b Announcement) int {
	return cmp.Or(
		cmp.Compare(unknownHops(a), unknownHops(b)),
		cmp.Compare(a.Warm, b.Warm),
		cmp.Compare(a.Cold, b.Cold),
		cmp.Compare(len(a.Hops), len(b.Hops)),
	)
}

// unknownHops returns 1 if a hop is unknown, and else 0.
func unknownHops(a Announcement) int {
	if slices.Contains(a.Hops, 0) {
		return 1
	}
	return 0
}
