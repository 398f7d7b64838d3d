package streams_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
)

func TestReceiveHalfEndsOnceBothKnow(t *testing.T) {
	read := func(r *receiver) string {
		p := make([]byte, 100)
		n, err := r.Read(p)
		return fmt.Sprintf("%q %v", p[:n], err)
	}
	for _, test := range []struct {
		name string
		do   func(r *receiver)
		said string
		read string
		then string // what the Read tells the transport
	}{
		{"data", func(r *receiver) { r.data("ab", false) }, "[]", `"ab" <nil>`, "[freed 2]"},
		{"the end", func(r *receiver) { r.data("ab", true) }, "[]", `"ab" EOF`, "[freed 2 ended]"},
		{"the end is read", func(r *receiver) { r.data("", true); read(r) }, "[ended]", `"" EOF`, "[]"},
		{"reset", func(r *receiver) { r.data("ab", false); r.reset(3) }, "[freed 2]", `"" stream reset by the peer with code 0x3`, "[ended]"},
		{"reset after the end", func(r *receiver) { r.data("ab", true); r.reset(3) }, "[freed 2]", `"" stream reset by the peer with code 0x3`, "[ended]"},
		{"reset after the end was read", func(r *receiver) { r.data("", true); read(r); r.reset(3) }, "[ended]", `"" EOF`, "[]"},
		{"reset twice", func(r *receiver) { r.reset(3); r.reset(4) }, "[]", `"" stream reset by the peer with code 0x3`, "[ended]"},
		{"cancel", func(r *receiver) { r.data("ab", false); r.CancelRead(5) }, "[freed 2 refuse 5]", `"" stream reset here with code 0x5`, "[]"},
		{"cancel, then data", func(r *receiver) { r.CancelRead(5); r.data("ab", false) }, "[refuse 5 freed 2]", `"" stream reset here with code 0x5`, "[]"},
		{"cancel, then the end", func(r *receiver) { r.CancelRead(5); r.data("ab", true) }, "[refuse 5 freed 2 ended]", `"" stream reset here with code 0x5`, "[]"},
		{"cancel, then reset", func(r *receiver) { r.CancelRead(5); r.reset(3) }, "[refuse 5 ended]", `"" stream reset here with code 0x5`, "[]"},
		{"cancel after the end", func(r *receiver) { r.data("ab", true); r.CancelRead(5) }, "[freed 2 ended]", `"" stream reset here with code 0x5`, "[]"},
		{"cancel after the end was read", func(r *receiver) { r.data("", true); read(r); r.CancelRead(5) }, "[ended]", `"" EOF`, "[]"},
		{"the connection ends", func(r *receiver) { r.data("ab", false); r.end.close(9) }, "[ended]", `"" connection closed here with code 0x9`, "[]"},
		{"the connection ends after the end", func(r *receiver) { r.data("ab", true); r.end.close(9) }, "[ended]", `"" connection closed here with code 0x9`, "[]"},
		{"the deadline has passed", func(r *receiver) { r.data("ab", true); r.SetReadDeadline(time.Unix(1, 0)) }, "[]", `"" ` + os.ErrDeadlineExceeded.Error(), "[]"},
	} {
		r := newReceiver(newEnd())
		test.do(r)
		want(t, r.end, test.said)
		if got := read(r); got != test.read {
			t.Errorf("%s: Read returns %s, want %s", test.name, got, test.read)
		}
		want(t, r.end, test.then)
	}
}

// Whatever happens in whatever order, each byte that has arrived is given back
// once, and the half ends once.
func TestEachByteIsGivenBackOnce(t *testing.T) {
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := newReceiver(newEnd())
		arrived, final := 0, false
		for range 12 {
			switch action := rnd.IntN(10); {
			case action < 4 && !final:
				n := rnd.IntN(50)
				final = rnd.IntN(4) == 0
				arrived += n
				r.data(string(make([]byte, n)), final)
			case action == 4:
				final = true
				r.reset(3)
			case action == 5:
				r.CancelRead(5)
			case r.Unread() > 0 || final:
				r.Read(make([]byte, rnd.IntN(60)))
			}
			if r.freed+r.Unread() != arrived {
				t.Fatalf("seed %d: %d bytes came, %d are given back, %d unread", seed, arrived, r.freed, r.Unread())
			}
		}
		r.CancelRead(5)
		r.reset(3)
		r.Read(make([]byte, 1))
		if r.freed != arrived || r.ended != 1 || r.Held() != 0 || r.end.Halves() != 0 {
			t.Fatalf("seed %d: %d bytes came, %d are given back; ended %d times; %d bytes held, %d halves left",
				seed, arrived, r.freed, r.ended, r.Held(), r.end.Halves())
		}
	}
}

func TestReadWaitsForData(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(r *receiver)
		err  error
	}{
		{"data", func(r *receiver) { r.data("x", false) }, nil},
		{"the end", func(r *receiver) { r.data("x", true) }, io.EOF},
		{"reset", func(r *receiver) { r.reset(3) }, &transport.StreamError{Code: 3, Remote: true}},
		{"cancel", func(r *receiver) { r.CancelRead(5) }, &transport.StreamError{Code: 5}},
		{"deadline", func(r *receiver) { r.SetReadDeadline(time.Now().Add(time.Second)) }, os.ErrDeadlineExceeded},
		{"the connection ends", func(r *receiver) { r.end.close(9) }, &transport.ConnError{Code: 9}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newReceiver(newEnd())
			done := make(chan struct{})
			go func() {
				defer close(done)
				if _, err := r.Read(make([]byte, 10)); !same(err, test.err) {
					t.Errorf("%s: Read returns %v, want %v", test.name, err, test.err)
				}
			}()
			synctest.Wait()
			test.do(r)
			<-done
		})
	}
}
