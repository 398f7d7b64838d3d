package message_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/moqlite/moqlite/impl/internal/message"
)

func TestFrameHeaders(t *testing.T) {
	for _, v := range all() {
		for seed := range uint64(rounds) {
			g := generate(v, seed)
			previous := g.number() / 2
			h := message.FrameHeader{Timestamp: where(v.Timestamps, g.number()/2), Size: g.number()}
			if err := h.Validate(v, previous); err != nil {
				t.Fatalf("%s: %+v after %d: %v", v, h, previous, err)
			}
			b := h.Append(v, nil, previous)
			if len(b) != h.Length(v, previous) {
				t.Errorf("%s: %x has the length %d", v, b, h.Length(v, previous))
			}
			if got, err := message.ReadFrameHeader(bytes.NewReader(b), v, previous); err != nil || got != h {
				t.Errorf("%s: %+v after %d: got %+v, %v", v, h, previous, got, err)
			}
			for n := range b {
				want := io.ErrUnexpectedEOF
				if n == 0 {
					want = io.EOF
				}
				if _, err := message.ReadFrameHeader(bytes.NewReader(b[:n]), v, previous); err != want {
					t.Errorf("%s: %x of %x: %v", v, b[:n], b, err)
				}
			}
		}
	}
}

func TestFrameTimestamps(t *testing.T) {
	for _, c := range []struct {
		previous uint64
		delta    int64
		want     uint64
		err      error
	}{
		{0, 0, 0, nil},
		{10, -10, 0, nil},
		{10, -11, 0, message.ErrMalformed},
		{0, message.MinZigzag, 0, message.ErrMalformed},
		{0, message.MaxZigzag, message.MaxZigzag, nil},
		{message.MaxVarint - 1, 1, message.MaxVarint, nil},
		{message.MaxVarint, 1, 0, message.ErrMalformed},
		{message.MaxVarint, message.MaxZigzag, 0, message.ErrMalformed},
		{math.MaxUint64, message.MaxZigzag, 0, message.ErrMalformed},
		{message.MaxVarint, message.MinZigzag, message.MaxZigzag, nil},
	} {
		b := message.Lite06.AppendVarint(message.Lite06.AppendZigzag(nil, c.delta), 3)
		h, err := message.ReadFrameHeader(bytes.NewReader(b), message.Lite06, c.previous)
		if !errors.Is(err, c.err) || h.Timestamp != c.want {
			t.Errorf("%d + %d: got %d, %v", c.previous, c.delta, h.Timestamp, err)
		}
	}
}

func TestFrameUnencodable(t *testing.T) {
	for _, c := range []struct {
		v        *message.Version
		h        message.FrameHeader
		previous uint64
		want     error
	}{
		{message.Lite06, message.FrameHeader{Size: message.MaxVarint + 1}, 0, message.ErrUnencodable},
		{message.Lite06, message.FrameHeader{Timestamp: message.MaxVarint + 1}, message.MaxVarint, message.ErrUnencodable},
		{message.Lite06, message.FrameHeader{Timestamp: message.MaxZigzag + 1}, 0, message.ErrUnencodable},
		{message.Lite06, message.FrameHeader{}, message.MaxVarint, message.ErrUnencodable},
		{message.Lite06, message.FrameHeader{}, -message.MinZigzag, nil},
		{message.Lite06, message.FrameHeader{Timestamp: message.MaxVarint}, message.MaxVarint, nil},
		{message.Lite04, message.FrameHeader{Timestamp: math.MaxUint64}, 0, nil},
	} {
		if err := c.h.Validate(c.v, c.previous); !errors.Is(err, c.want) {
			t.Errorf("%+v after %d: %v", c.h, c.previous, err)
		}
		if b := c.h.Append(c.v, nil, c.previous); len(b) != c.h.Length(c.v, c.previous) {
			t.Errorf("%+v: %d bytes, Length says %d", c.h, len(b), c.h.Length(c.v, c.previous))
		}
	}
}

func TestZigzagNearest(t *testing.T) {
	for _, c := range []struct{ n, want int64 }{
		{math.MinInt64, message.MinZigzag}, {message.MinZigzag, message.MinZigzag}, {message.MinZigzag - 1, message.MinZigzag},
		{math.MaxInt64, message.MaxZigzag}, {message.MaxZigzag, message.MaxZigzag}, {message.MaxZigzag + 1, message.MaxZigzag},
	} {
		if got, _, err := message.Lite06.ParseZigzag(message.Lite06.AppendZigzag(nil, c.n)); got != c.want || err != nil {
			t.Errorf("%d: got %d, %v", c.n, got, err)
		}
	}
}
