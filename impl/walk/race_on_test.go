//go:build race

package walk

// usualWorlds is lower under the race detector, with which each step takes ten
// times as long.
const usualWorlds = 10
