package memconn_test

import (
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport/memconn"
)

const delay = 40 * time.Millisecond

func TestEverythingArrivesAfterTheDelay(t *testing.T) {
	bubble(t, &memconn.Config{OneWayDelay: delay}, nil, func(t *testing.T, c, s *memconn.Conn) {
		start := time.Now()
		w := openUni(t, c, []byte("a"))
		r := acceptUni(t, s)
		readN(t, r, 1)
		wantElapsed(t, start, delay)

		start = time.Now()
		w.CancelWrite(3)
		_, err := r.Read(make([]byte, 1))
		wantStreamError(t, err, 3, true)
		wantElapsed(t, start, delay)

		start = time.Now()
		do(t, c.SendDatagram([]byte("d")))
		_, err = s.ReceiveDatagram(t.Context())
		do(t, err)
		wantElapsed(t, start, delay)

		start = time.Now()
		do(t, c.CloseWithError(1, "bye"))
		<-c.Context().Done()
		wantElapsed(t, start, 0)
		<-s.Context().Done()
		wantElapsed(t, start, delay)
	})
}

func TestTheOtherDirectionHasItsOwnDelay(t *testing.T) {
	bubble(t, &memconn.Config{OneWayDelay: delay}, nil, func(t *testing.T, c, s *memconn.Conn) {
		start := time.Now()
		openUni(t, s, []byte("a"))
		acceptUni(t, c)
		wantElapsed(t, start, 0)
	})
}

func TestWhatIsUnderWayKeepsItsDistances(t *testing.T) {
	bubble(t, &memconn.Config{OneWayDelay: delay}, nil, func(t *testing.T, c, s *memconn.Conn) {
		w := openUni(t, c, []byte("a"))
		go func() {
			time.Sleep(delay / 4)
			w.Write([]byte("b"))
			time.Sleep(delay / 4)
			w.Close()
		}()
		start := time.Now()
		r := acceptUni(t, s)
		for i, want := range []string{"a", "b"} {
			if got := readN(t, r, 1); got != want {
				t.Errorf("read %q, want %q", got, want)
			}
			wantElapsed(t, start, delay+time.Duration(i)*delay/4)
		}
		readAll(t, r)
		wantElapsed(t, start, delay+delay/2)
	})
}

// Throughput is a window a round trip, as on a long link.
func TestCreditTakesARoundTrip(t *testing.T) {
	cfg := &memconn.Config{OneWayDelay: delay, StreamWindow: 1000}
	bubble(t, cfg, cfg, func(t *testing.T, c, s *memconn.Conn) {
		start := time.Now()
		w := openUni(t, c, make([]byte, 1000))
		go func() {
			w.Write(make([]byte, 4000))
			w.Close()
		}()
		if got := readAll(t, acceptUni(t, s)); len(got) != 5000 {
			t.Errorf("read %d bytes", len(got))
		}
		wantElapsed(t, start, 4*2*delay+delay)
	})
}

func TestTheEndTravelsBehindTheData(t *testing.T) {
	bubble(t, &memconn.Config{OneWayDelay: delay}, nil, func(t *testing.T, c, s *memconn.Conn) {
		openUni(t, c, []byte("in time"))
		time.Sleep(delay / 2)
		do(t, c.CloseWithError(0, ""))
		r := acceptUni(t, s)
		if got := readN(t, r, 7); got != "in time" {
			t.Errorf("read %q", got)
		}
	})
}

func wantElapsed(t *testing.T, start time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(start); d != want {
		t.Errorf("%v went by, want %v", d, want)
	}
}
