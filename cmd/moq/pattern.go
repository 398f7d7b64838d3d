package main

import (
	"crypto/sha256"
	"fmt"

	"github.com/moqlite/moqlite/api"
)

// pattern returns the payload of a frame of the test pattern, with which two
// implementations can check each other: the SHA-256 hash of the frame's
// position, repeated.
func pattern(path api.BroadcastPath, track api.TrackName, group, frame uint64, size int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d/%d", path, track, group, frame))
	payload := make([]byte, size)
	for n := 0; n < size; {
		n += copy(payload[n:], sum[:])
	}
	return payload
}
