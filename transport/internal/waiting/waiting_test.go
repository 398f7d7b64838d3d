package waiting

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
)

func TestRingIsAQueueOfBytes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var r Ring
	var want bytes.Buffer
	next := byte(0)
	for range 10_000 {
		if rnd.IntN(2) == 0 {
			p := make([]byte, 1+rnd.IntN(200))
			for i := range p {
				p[i], next = next, next+1
			}
			r.Put(p)
			want.Write(p)
		} else {
			p, q := make([]byte, 1+rnd.IntN(220)), make([]byte, 220)
			n := r.Take(p)
			m, _ := want.Read(q[:len(p)])
			if !bytes.Equal(p[:n], q[:m]) {
				t.Fatalf("read %v, want %v", p[:n], q[:m])
			}
		}
		if r.Len() != want.Len() {
			t.Fatalf("holds %d bytes, want %d", r.len, want.Len())
		}
	}
}

func TestRingIsAtMostTwiceItsContent(t *testing.T) {
	var r Ring
	r.Put(make([]byte, 1000))
	for range 1000 {
		r.Take(make([]byte, 77))
		r.Put(make([]byte, 77))
	}
	if len(r.buf) > 2000 {
		t.Errorf("grew to %d bytes", len(r.buf))
	}
	if n := r.Drop(); n != 1000 || r.buf != nil {
		t.Errorf("dropped %d bytes of 1000", n)
	}
}

// Two pushes may leave one token. The Pop that takes it passes it on.
func TestQueueTokenIsPassedOn(t *testing.T) {
	q := NewQueue[int]()
	q.Push(1)
	q.Push(2)
	<-q.ready
	q.takeItem()
	if len(q.ready) != 1 {
		t.Error("nobody would come for the second item")
	}
}

func TestQueueWakesEachOfSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue[int]()
		got := make(chan int)
		for range 10 {
			go func() {
				v, _ := q.Pop(t.Context())
				got <- v
			}()
		}
		synctest.Wait()
		sum := 0
		for i := range 10 {
			q.Push(i)
		}
		for range 10 {
			sum += <-got
		}
		if sum != 45 {
			t.Errorf("popped a sum of %d, want 45", sum)
		}
	})
}

func TestQueueUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		var q Queue[int]
		q.InitUntil(done)
		q.Push(1)
		if v, err := q.Pop(t.Context()); v != 1 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
		ended := make(chan error)
		go func() {
			_, err := q.Pop(t.Context())
			ended <- err
		}()
		synctest.Wait()
		close(done)
		if err := <-ended; err != net.ErrClosed {
			t.Errorf("after the end: %v", err)
		}
	})
}
