package api_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/moqlite/moqlite/api"
)

// TestCompareRoutes checks routes in order, from the preferred to the worst.
func TestCompareRoutes(t *testing.T) {
	known, longer, unknown := []api.Hop{1, 2}, []api.Hop{1, 2, 3}, []api.Hop{0, 2}
	routes := []api.Announcement{
		{Hops: known, Warm: 1, Cold: 1},
		{Hops: longer, Warm: 1, Cold: 1},
		{Hops: known, Warm: 1, Cold: 2},
		{Hops: known, Warm: 2, Cold: 0},
		{Hops: known, Warm: 3, Cold: 1 << 61},
		{Hops: unknown, Warm: 0, Cold: 0},
		{Hops: []api.Hop{0, 0, 0}, Warm: 0, Cold: 0},
	}
	for i, a := range routes {
		for j, b := range routes {
			if got, want := api.CompareRoutes(a, b), sign(i-j); got != want {
				t.Errorf("%v compares to %v as %d, want %d", a, b, got, want)
			}
		}
	}
}

func sign(n int) int { return min(max(n, -1), 1) }

func ExampleCompareRoutes() {
	routes := []api.Announcement{ // the newest first
		{Path: "room", Hops: []api.Hop{7, 9, 4}, Warm: 2, Cold: 2},
		{Path: "room", Hops: []api.Hop{7, 4}, Warm: 1, Cold: 5},
		{Path: "room", Hops: []api.Hop{7, 3}, Warm: 1, Cold: 5},
	}
	best := slices.MinFunc(routes, api.CompareRoutes)
	fmt.Println(best.Hops)
	// Output: [7 4]
}
