package memconn_test

import (
	"io"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

var windows = &memconn.Config{StreamWindow: 1000, ConnWindow: 2500}

func TestTheStreamWindowBoundsAStream(t *testing.T) {
	bubble(t, nil, windows, func(t *testing.T, c, s *memconn.Conn) {
		w := openUni(t, c, []byte("x"))
		if n := writable(t, w); n != 999 {
			t.Errorf("%d bytes were taken, want 999", n)
		}
		r := acceptUni(t, s)
		readN(t, r, 400)
		if n := writable(t, w); n != 400 {
			t.Errorf("%d bytes were taken after 400 were read", n)
		}
	})
}

func TestTheConnectionWindowBoundsAllStreams(t *testing.T) {
	bubble(t, nil, windows, func(t *testing.T, c, s *memconn.Conn) {
		w1, w2, w3 := openUni(t, c, nil), openUni(t, c, nil), openUni(t, c, nil)
		if a, b, d := writable(t, w1), writable(t, w2), writable(t, w3); a != 1000 || b != 1000 || d != 500 {
			t.Errorf("%d, %d and %d bytes were taken", a, b, d)
		}
		readN(t, acceptUni(t, s), 10)
		if n := writable(t, w3); n != 10 {
			t.Errorf("%d bytes were taken after 10 were read elsewhere", n)
		}
	})
}

// Windows are what the receiver grants, in each direction its own.
func TestEachSideHasItsOwnWindows(t *testing.T) {
	bubble(t, &memconn.Config{StreamWindow: 7}, windows, func(t *testing.T, c, s *memconn.Conn) {
		if n := writable(t, openUni(t, c, nil)); n != 1000 {
			t.Errorf("the client wrote %d", n)
		}
		if n := writable(t, openUni(t, s, nil)); n != 7 {
			t.Errorf("the server wrote %d", n)
		}
	})
}

func TestUnreadBytesComeBack(t *testing.T) {
	for name, free := range map[string]func(transport.SendStream, transport.ReceiveStream){
		"reset":   func(w transport.SendStream, _ transport.ReceiveStream) { w.CancelWrite(1) },
		"refused": func(_ transport.SendStream, r transport.ReceiveStream) { r.CancelRead(1) },
		"both": func(w transport.SendStream, r transport.ReceiveStream) {
			w.CancelWrite(1)
			r.CancelRead(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			tight := &memconn.Config{StreamWindow: 1000, ConnWindow: 1000}
			bubble(t, nil, tight, func(t *testing.T, c, s *memconn.Conn) {
				for range 3 {
					w := openUni(t, c, nil)
					if n := writable(t, w); n != 1000 {
						t.Fatalf("%d bytes were taken", n)
					}
					free(w, acceptUni(t, s))
				}
			})
		})
	}
}

// Credit of delayed bytes for a refused stream is returned when they arrive.
func TestBytesUnderWayToARefusalComeBack(t *testing.T) {
	tight := &memconn.Config{StreamWindow: 1000, ConnWindow: 1000, OneWayDelay: 1}
	bubble(t, tight, tight, func(t *testing.T, c, s *memconn.Conn) {
		w := openUni(t, c, []byte("x"))
		r := acceptUni(t, s)
		_, err := w.Write(make([]byte, 999))
		do(t, err)
		r.CancelRead(1)
		if n := writable(t, openUni(t, c, nil)); n != 1000 {
			t.Errorf("%d bytes were taken", n)
		}
	})
}

func TestBlockedStreamsTakeTurns(t *testing.T) {
	cfg := &memconn.Config{StreamWindow: 300, ConnWindow: 300}
	bubble(t, nil, cfg, func(t *testing.T, c, s *memconn.Conn) {
		const streams, size = 5, 3000
		for range streams {
			w := openUni(t, c, nil)
			go func() {
				w.Write(make([]byte, size))
				w.Close()
			}()
		}
		got := make(chan int64)
		for range streams {
			r := acceptUni(t, s)
			go func() {
				n, _ := io.Copy(io.Discard, r)
				got <- n
			}()
		}
		for range streams {
			if n := <-got; n != size {
				t.Errorf("read %d bytes of %d", n, size)
			}
		}
	})
}

// A writer that leaves the queue for credit wakes the next one.
func TestAWriterThatGivesUpWakesTheNext(t *testing.T) {
	bubble(t, nil, &memconn.Config{ConnWindow: 10}, func(t *testing.T, c, s *memconn.Conn) {
		openUni(t, c, make([]byte, 10))
		first, second := openUni(t, c, nil), openUni(t, c, nil)
		firstDone, secondDone := make(chan error, 1), make(chan error, 1)
		go func() { _, err := first.Write([]byte("a")); firstDone <- err }()
		synctest.Wait()
		go func() { _, err := second.Write([]byte("b")); secondDone <- err }()
		synctest.Wait()
		first.CancelWrite(3)
		readN(t, acceptUni(t, s), 1)
		wantStreamError(t, <-firstDone, 3, false)
		do(t, <-secondDone)
	})
}

func TestSizesThatMakeNoSenseAreTheDefaults(t *testing.T) {
	bubble(t, nil, &memconn.Config{StreamWindow: -1, ConnWindow: -1, MaxDatagramSize: -1}, func(t *testing.T, c, s *memconn.Conn) {
		if n := writable(t, openUni(t, c, nil)); n != 256<<10 {
			t.Errorf("%d bytes were taken", n)
		}
		do(t, c.SendDatagram(make([]byte, 1200)))
	})
}
