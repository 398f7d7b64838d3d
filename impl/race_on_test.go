//go:build race

package impl_test

// manyBroadcasts is smaller with the race detector, which makes each step ten
// times as slow.
const manyBroadcasts = 20_000

// usualCycles is the number of rounds of TestCycles without MOQ_CYCLES.
const usualCycles = 10
