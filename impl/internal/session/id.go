package session

import (
	"crypto/rand"
	"encoding/hex"
)

// NewID returns a random [api.SessionState.ID].
func NewID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
