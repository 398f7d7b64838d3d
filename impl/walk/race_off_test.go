//go:build !race

package walk

// usualWorlds is how many worlds TestWalk runs unless it is told.
const usualWorlds = 100
