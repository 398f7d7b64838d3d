//go:build race

package walk

// usualWorlds is fewer where each step is ten times as slow.
const usualWorlds = 10
