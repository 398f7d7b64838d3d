//go:build race

package impl_test

// manyBroadcasts is fewer where each step is ten times as slow.
const manyBroadcasts = 20_000

// usualCycles is how often TestCycles goes around unless it is told.
const usualCycles = 10
