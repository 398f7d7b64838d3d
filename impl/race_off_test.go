//go:build !race

package impl_test

// manyBroadcasts is how many broadcasts are announced to one session.
const manyBroadcasts = 100_000

// usualCycles is the number of rounds of TestCycles without MOQ_CYCLES.
const usualCycles = 50
