//go:build !race

package walk

// usualWorlds is how many worlds TestWalk runs without a flag.
const usualWorlds = 100
