package memconn

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/transport"
)

func TestRingIsAQueueOfBytes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var r ring
	var want bytes.Buffer
	next := byte(0)
	for range 10_000 {
		if rnd.IntN(2) == 0 {
			p := make([]byte, 1+rnd.IntN(200))
			for i := range p {
				p[i], next = next, next+1
			}
			r.write(p)
			want.Write(p)
		} else {
			p, q := make([]byte, 1+rnd.IntN(220)), make([]byte, 220)
			n := r.read(p)
			m, _ := want.Read(q[:len(p)])
			if !bytes.Equal(p[:n], q[:m]) {
				t.Fatalf("read %v, want %v", p[:n], q[:m])
			}
		}
		if r.len != want.Len() {
			t.Fatalf("holds %d bytes, want %d", r.len, want.Len())
		}
	}
}

func TestRingIsAtMostTwiceItsContent(t *testing.T) {
	var r ring
	r.write(make([]byte, 1000))
	for range 1000 {
		r.read(make([]byte, 77))
		r.write(make([]byte, 77))
	}
	if len(r.buf) > 2000 {
		t.Errorf("grew to %d bytes", len(r.buf))
	}
	if n := r.drop(); n != 1000 || r.buf != nil {
		t.Errorf("dropped %d bytes of 1000", n)
	}
}

// Two pushes may leave one token. Who takes it passes it on.
func TestQueueTokenIsPassedOn(t *testing.T) {
	q := newQueue[int]()
	q.push(1)
	q.push(2)
	<-q.ready
	q.take()
	if len(q.ready) != 1 {
		t.Error("nobody would come for the second item")
	}
}

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
	if len(c.halves) != 0 || len(s.halves) != 0 {
		t.Errorf("%d and %d halves are left", len(c.halves), len(s.halves))
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

func TestQueueWakesEachOfSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue[int]()
		got := make(chan int)
		for range 10 {
			go func() {
				v, _ := q.pop(t.Context())
				got <- v
			}()
		}
		synctest.Wait()
		sum := 0
		for i := range 10 {
			q.push(i)
		}
		for range 10 {
			sum += <-got
		}
		if sum != 45 {
			t.Errorf("popped a sum of %d, want 45", sum)
		}
	})
}
