package memconn

import (
	"io"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

func TestStreamsThatEndedAreForgotten(t *testing.T) {
	c, s := Pipe("moq-lite-06", nil, nil)
	for i := range uint64(4) {
		x, err := c.OpenStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		x.Write([]byte("x"))
		y, err := s.AcceptStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		endBoth(i, x, y)
		endBoth(i/2, y, x)
	}
	if c.shared.Halves() != 0 || s.shared.Halves() != 0 {
		t.Errorf("%d and %d halves are left", c.shared.Halves(), s.shared.Halves())
	}
}

// endBoth ends the half that goes from x to y, by one way of several.
func endBoth(way uint64, x, y transport.Stream) {
	switch way {
	case 0:
		x.Close()
		io.ReadAll(y)
	case 1:
		x.CancelWrite(1)
		io.ReadAll(y)
	case 2:
		y.CancelRead(1)
	case 3:
		x.Close()
		y.CancelRead(1)
	}
}
