//go:build !race

package impl_test

// manyBroadcasts is how many one session is told of.
const manyBroadcasts = 100_000
