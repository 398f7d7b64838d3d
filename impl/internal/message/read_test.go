package message_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/moqlite/moqlite/impl/internal/message"
)

// stepReader fails the test if a read offers more memory than has arrived so far.
type stepReader struct {
	*bytes.Reader
	t       *testing.T
	arrived int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if room := r.arrived + cap(p); room > max(2*r.arrived, 512) {
		r.t.Errorf("room for %d bytes when %d have arrived", room, r.arrived)
	}
	n, err := r.Reader.Read(p)
	r.arrived += n
	return n, err
}

func TestReadBodyGrowsWithWhatArrives(t *testing.T) {
	whole := message.Lite06.AppendVarint(nil, message.MaxBody)
	header := len(whole)
	whole = append(whole, bytes.Repeat([]byte("x"), message.MaxBody)...)
	for _, n := range []int{header, header + 1, header + 512, header + 513, len(whole) - 1, len(whole)} {
		r := &stepReader{Reader: bytes.NewReader(whole[:n]), t: t}
		body, err := message.ReadBody(r, message.Lite06, message.MaxBody, nil)
		if n < len(whole) && err != io.ErrUnexpectedEOF {
			t.Errorf("%d bytes: %v", n, err)
		}
		if n == len(whole) && (err != nil || !bytes.Equal(body, whole[header:])) {
			t.Errorf("got %d bytes, %v", len(body), err)
		}
	}
}

func TestReadBodyLimit(t *testing.T) {
	for _, c := range []struct {
		size uint64
		want error
	}{{10, nil}, {11, message.ErrTooLarge}, {message.MaxVarint, message.ErrTooLarge}} {
		b := append(message.Lite06.AppendVarint(nil, c.size), strings.Repeat("x", 20)...)
		r := bytes.NewReader(b)
		if _, err := message.ReadBody(r, message.Lite06, 10, nil); !errors.Is(err, c.want) {
			t.Errorf("%d bytes: %v", c.size, err)
		}
		if c.want != nil && r.Len() != 20 {
			t.Errorf("%d bytes: went on reading", c.size)
		}
	}
}

func TestReadBodyReuses(t *testing.T) {
	buf := make([]byte, 0, 2000)
	whole := append(message.Lite06.AppendVarint(nil, 1500), bytes.Repeat([]byte("x"), 1500)...)
	r := bufio.NewReader(iotest.OneByteReader(bytes.NewReader(append(whole, 0))))
	body, err := message.ReadBody(r, message.Lite06, message.MaxBody, buf)
	if err != nil || len(body) != 1500 || &body[0] != &buf[:1][0] {
		t.Errorf("got %d bytes, %v", len(body), err)
	}
	if body, err := message.ReadBody(r, message.Lite06, message.MaxBody, body); err != nil || len(body) != 0 {
		t.Errorf("got %x, %v", body, err)
	}
	if _, err := message.ReadBody(r, message.Lite06, message.MaxBody, body); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// room is a Room for a number of bytes.
type room struct{ left, least int }

func (r *room) Take(n int) bool {
	if n > r.left {
		return false
	}
	r.left -= n
	r.least = min(r.least, r.left)
	return true
}

func (r *room) Give(n int) { r.left += n }

// What is allocated beyond the first bytes counts in a room until the message is there.
func TestReadBodyWithin(t *testing.T) {
	const size = 10_000
	whole := append(message.Lite06.AppendVarint(nil, size), make([]byte, size)...)
	for _, c := range []struct {
		room int
		n    int
		want error
	}{
		{size, len(whole), nil},
		{size, len(whole) - 1, io.ErrUnexpectedEOF},
		{5000, len(whole), message.ErrNoRoom},
		{0, 300, io.ErrUnexpectedEOF},
		{0, len(whole), message.ErrNoRoom},
	} {
		r := &room{c.room, c.room}
		body, err := message.ReadBodyWithin(r, bytes.NewReader(whole[:c.n]), message.Lite06, message.MaxBody, nil)
		if err != c.want || err == nil && len(body) != size {
			t.Errorf("%d bytes with room for %d: %d, %v", c.n, c.room, len(body), err)
		}
		if r.left != c.room {
			t.Errorf("%d bytes with room for %d: %d are left", c.n, c.room, r.left)
		}
		if c.want == nil && r.least > c.room-size+512 {
			t.Errorf("%d bytes have counted, of %d", c.room-r.least, size)
		}
	}
}

func TestReadBodyPassesErrors(t *testing.T) {
	reset := errors.New("reset")
	for n := range 3 {
		r := bufio.NewReader(io.MultiReader(strings.NewReader("\x40\x05abcd"[:2*n]), iotest.ErrReader(reset)))
		if _, err := message.ReadBody(r, message.Lite06, message.MaxBody, nil); err != reset {
			t.Errorf("after %d bytes: %v", 2*n, err)
		}
	}
}

func TestVarintEnds(t *testing.T) {
	for _, v := range all() {
		for _, x := range []uint64{0, 63, 64, 1<<14 - 1, 1 << 14, 1<<30 - 1, 1 << 30, message.MaxVarint} {
			b := v.AppendVarint(nil, x)
			for n := range b {
				want := io.ErrUnexpectedEOF
				if _, _, err := v.ParseVarint(b[:n]); err != want {
					t.Errorf("%s: parse %x of %x: %v", v, b[:n], b, err)
				}
				if n == 0 {
					want = io.EOF
				}
				if _, err := v.ReadVarint(bytes.NewReader(b[:n])); err != want {
					t.Errorf("%s: read %x of %x: %v", v, b[:n], b, err)
				}
			}
		}
	}
}
