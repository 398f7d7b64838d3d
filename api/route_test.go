package api_test

import (
	"fmt"
	"math/rand/v2"
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
		{Hops: known, Warm: 2, Cold: 1<<62 - 1},
		{Hops: longer, Warm: 1, Cold: 1<<62 - 1},
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

// TestLongerRoutesAreNotPreferred: however a route is passed on, with costs or
// without, what leads on from it is less preferred.
func TestLongerRoutesAreNotPreferred(t *testing.T) {
	const most = 1<<62 - 1
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		a := api.Announcement{Hops: []api.Hop{api.Hop(rng.IntN(2))}, Warm: rng.Uint64N(3), Cold: rng.Uint64N(3)}
		for range 1 + rng.IntN(5) {
			next, link := a, rng.Uint64N(3)
			next.Hops = append(slices.Clone(a.Hops), api.Hop(2+rng.IntN(9)))
			next.Warm, next.Cold = a.Warm+link, min(a.Cold+link, most)
			if rng.IntN(3) == 0 { // by moq-lite-03 to 05
				next.Warm, next.Cold = link, most
			}
			if api.CompareRoutes(a, next) >= 0 {
				t.Fatalf("%v is not preferred to %v", a, next)
			}
			a = next
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
