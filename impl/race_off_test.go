//go:build !race

package impl_test

// manyBroadcasts is how many one session is told of.
const manyBroadcasts = 100_000

// usualCycles is how often TestCycles goes around unless it is told.
const usualCycles = 50
