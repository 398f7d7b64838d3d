package api

import (
	"cmp"
	"slices"
)

// CompareRoutes orders announcements of one broadcast that came by different
// routes, the preferred first: a chain of known hops before one with a hop that
// is 0, then known costs before unknown ones, the lowest Warm, the lowest Cold,
// the fewest hops. It returns 0 for routes that are equally good; then the
// newest is preferred.
//
// Unknown costs are not compared, since Warm then counts only what came after
// the version that tells no costs. So a route is always preferred to one that
// leads on from it, and relays agree on their routes: if each of two preferred
// the longer route through the other, both would change to and fro for ever.
//
// Relays choose by it. Routes whose first hops are equal, and not 0, lead to
// one origin: a subscription may change between them at the next group. It
// cannot change between routes of different origins, since their groups differ.
func CompareRoutes(a, b Announcement) int {
	costs := 0
	if unknownCosts(a)+unknownCosts(b) == 0 {
		costs = cmp.Or(cmp.Compare(a.Warm, b.Warm), cmp.Compare(a.Cold, b.Cold))
	}
	return cmp.Or(
		cmp.Compare(unknownHops(a), unknownHops(b)),
		cmp.Compare(unknownCosts(a), unknownCosts(b)),
		costs,
		cmp.Compare(len(a.Hops), len(b.Hops)),
	)
}

// unknownCosts returns 1 if Cold is what a route gets by a version that tells no
// costs, and else 0.
func unknownCosts(a Announcement) int {
	if a.Cold >= 1<<62-1 {
		return 1
	}
	return 0
}

// unknownHops returns 1 if a hop is unknown, and else 0.
func unknownHops(a Announcement) int {
	if slices.Contains(a.Hops, 0) {
		return 1
	}
	return 0
}
