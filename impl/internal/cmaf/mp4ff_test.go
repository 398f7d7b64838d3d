package cmaf

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
)

// A panic of mp4ff is an error here: a decoder that panics stands for it.
func TestPanicOfADecoder(t *testing.T) {
	_, err := decode[*mp4.PaspBox](Box{Name: []byte("pasp"), Body: make([]byte, 8)},
		func(mp4.BoxHeader, uint64, bits.SliceReader) (mp4.Box, error) { panic("index out of range") })
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "pasp") || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("the error is %v", err)
	}
}

// brittle is a box that panics when it is encoded.
type brittle struct{ mp4.FreeBox }

func (*brittle) Encode(io.Writer) error { panic("nil pointer") }

func TestPanicOfAnEncoder(t *testing.T) {
	if b, err := encode(&brittle{}); err == nil || !strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("it encodes %x with the error %v", b, err)
	}
}

func TestLongBoxesAreNotDecoded(t *testing.T) {
	_, err := decode[*mp4.PaspBox](Box{Name: []byte("pasp"), Body: make([]byte, maxDecoded+1)},
		func(mp4.BoxHeader, uint64, bits.SliceReader) (mp4.Box, error) { panic("called") })
	if !errors.Is(err, ErrMalformed) || strings.Contains(err.Error(), "called") {
		t.Errorf("the error is %v", err)
	}
}
