package redial

import (
	"testing"
	"time"
)

func TestMovesAreBounded(t *testing.T) {
	var m moves
	now := time.Unix(0, 0)
	for i := range maxMoves {
		if !m.allowed(now.Add(time.Duration(i) * time.Second)) {
			t.Fatalf("move %d is refused", i)
		}
	}
	if m.allowed(now.Add(10 * time.Second)) {
		t.Error("one move too many")
	}
	if !m.allowed(now.Add(movesIn)) {
		t.Error("refused for ever")
	}
}
