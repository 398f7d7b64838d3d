package qmux

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// A turnstile is a carrier that lets one message through at a time, when the
// test takes it.
type turnstile struct {
	t      *testing.T
	conn   *Conn
	in     chan []byte
	out    chan []byte
	closed chan struct{}
	once   sync.Once
}

func (s *turnstile) ReadMessage() ([]byte, error) {
	select {
	case m := <-s.in:
		return m, nil
	case <-s.closed:
		return nil, ErrCut
	}
}

func (s *turnstile) WriteMessage(p []byte) error {
	select {
	case s.out <- slices.Clone(p):
		return nil
	case <-s.closed:
		return errors.New("closed")
	}
}

func (s *turnstile) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// newTurnstile makes a client's connection that is ready and has sent its
// parameters.
func newTurnstile(t *testing.T, v Version, limits Params) *turnstile {
	t.Helper()
	s := &turnstile{t: t, in: make(chan []byte), out: make(chan []byte), closed: make(chan struct{})}
	s.conn = New(s, options(v, true, nil))
	t.Cleanup(func() {
		_ = s.Close()
		<-s.conn.done
	})
	s.in <- (&frame{kind: frameParams, data: limits.append(nil, v)}).append(nil)
	synctest.Wait()
	for s.frames() != nil { // the first is without the ping, perhaps
		synctest.Wait()
	}
	return s
}

// frames returns the frames of the message that waits to be written; nil if
// none does.
func (s *turnstile) frames() (fs []frame) {
	s.t.Helper()
	select {
	case m := <-s.out:
		for p := (parser{b: m}); len(p.b) > 0; {
			f, err := p.next(s.conn.version)
			if err != nil {
				s.t.Fatal(err)
			}
			fs = append(fs, f)
		}
	default:
	}
	synctest.Wait()
	return fs
}

// share returns how many bytes of data the next messages have, by stream, and
// the order of the streams in them.
func (s *turnstile) share(messages int) (bytes map[uint64]int, order []uint64) {
	s.t.Helper()
	bytes = make(map[uint64]int)
	for range messages {
		for _, f := range s.frames() {
			if f.kind == frameStream {
				bytes[f.id] += len(f.data)
				order = append(order, f.id)
			}
		}
	}
	return bytes, order
}

// open opens a stream and writes n bytes to it in the background.
func (s *turnstile) open(urgency int8, incremental bool, n int) transport.SendStream {
	s.t.Helper()
	w, err := s.conn.OpenUniStream(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	w.(transport.Prioritizer).SetPriority(urgency, incremental)
	go func() { _, _ = w.Write(make([]byte, n)) }()
	synctest.Wait()
	return w
}

const bulk = 1 << 20

// Urgent data waits for the message that is being written, and for nothing
// else.
func TestUrgentFirst(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		s := newTurnstile(t, v, generous)
		s.open(7, true, bulk)
		s.share(3)
		s.open(0, false, 100)
		s.open(3, false, 100)
		got, _ := s.share(1) // was made before
		if len(got) != 1 || got[2] == 0 {
			t.Fatalf("under way is %v", got)
		}
		if _, order := s.share(3); len(order) < 3 || order[0] != 6 || order[1] != 10 || order[2] != 2 {
			t.Errorf("the order is %v", order)
		}
	})
}

// The same for ends, resets and answers, whatever is queued.
func TestControlFirst(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		s := newTurnstile(t, v, generous)
		full := s.open(0, true, bulk)
		other := s.open(0, true, 0)
		_ = other.Close()
		full.CancelWrite(7)
		s.share(1)
		var kinds []frameType
		for fs := s.frames(); fs != nil; fs = s.frames() {
			for _, f := range fs {
				kinds = append(kinds, f.kind)
			}
		}
		if want := []frameType{frameStream, frameResetStream}; !slices.Equal(kinds, want) {
			t.Errorf("frames are %#x, want %#x", kinds, want)
		}
	})
}

// Incremental streams of an urgency have equal shares.
func TestShares(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		s := newTurnstile(t, v, generous)
		for range 3 {
			s.open(2, true, bulk)
		}
		s.open(3, true, bulk)
		s.share(1)
		got, _ := s.share(30)
		if len(got) != 3 {
			t.Fatalf("shares are %v", got)
		}
		for id, n := range got {
			if n < 9*maxPayload || n > 11*maxPayload {
				t.Errorf("stream %d has %d of %v", id, n, got)
			}
		}
	})
}

// Streams that are not incremental go one after the other, the oldest first;
// incremental ones have every other turn.
func TestOneAfterTheOther(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		s := newTurnstile(t, v, generous)
		s.open(7, true, bulk) // holds the carrier
		older := s.open(2, false, 0)
		s.open(2, false, 100_000)
		go func() { _, _ = older.Write(make([]byte, 100_000)) }()
		synctest.Wait()
		s.share(1)
		if got, _ := s.share(4); got[6] < 3*maxPayload || len(got) != 1 || older.(*sendStream).stream.id != 6 {
			t.Errorf("shares are %v", got)
		}
		older.CancelWrite(0)
		synctest.Wait()
		s.share(1)
		if got, _ := s.share(3); got[10] < 2*maxPayload || len(got) != 1 {
			t.Errorf("shares are %v", got)
		}
		s.open(2, true, 100_000)
		s.share(1)
		if got, _ := s.share(4); got[10] == 0 || got[10] > 3*maxPayload || got[14] == 0 || got[14] > 3*maxPayload {
			t.Errorf("shares are %v", got)
		}
	})
}

// A stream can change its priority while it has data queued.
func TestRankChanges(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		s := newTurnstile(t, v, generous)
		first := s.open(3, false, bulk)
		second := s.open(5, true, bulk)
		s.share(1)
		if got, _ := s.share(3); len(got) != 1 || got[2] == 0 {
			t.Fatalf("shares are %v", got)
		}
		second.(transport.Prioritizer).SetPriority(-100, true) // as urgent as it gets
		s.share(1)
		if got, _ := s.share(3); len(got) != 1 || got[6] == 0 {
			t.Errorf("shares are %v, want the second alone", got)
		}
		first.(transport.Prioritizer).SetPriority(0, true)
		s.share(1)
		if got, _ := s.share(8); got[2] < 3*maxPayload || got[6] < 3*maxPayload {
			t.Errorf("shares are %v, want both", got)
		}
		second.(transport.Prioritizer).SetPriority(100, true)
		s.share(1)
		if got, _ := s.share(3); len(got) != 1 || got[2] == 0 {
			t.Errorf("shares are %v, want the first alone", got)
		}
	})
}

// An urgent stream without credit does not delay others, and goes first once
// it has credit.
func TestUrgentWithoutCredit(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		limits := generous
		limits.StreamDataUni = 20_000
		s := newTurnstile(t, v, limits)
		s.open(0, false, bulk)
		if got, _ := s.share(4); got[2] != 20_000 {
			t.Fatalf("shares are %v", got)
		}
		s.open(7, false, 20_000)
		s.share(1)
		s.in <- (&frame{kind: frameMaxStreamData, id: 2, value: 21_000}).append(nil)
		synctest.Wait()
		if got, order := s.share(3); got[2] != 1000 || len(order) == 0 || v.records() && order[0] == 6 && order[1] != 2 {
			t.Errorf("shares are %v, in the order %v", got, order)
		}
	})
}

// A slow carrier gets small messages, so that urgent data need not wait long;
// a fast one gets large messages again.
func TestPace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newTurnstile(t, Version01, generous)
		s.open(7, true, bulk)
		size := func(delay time.Duration) (n int) {
			time.Sleep(delay)
			for _, f := range s.frames() {
				n += len(f.data)
			}
			return n
		}
		if n := size(0); n < 16_000 {
			t.Errorf("a message has %d bytes", n)
		}
		for range 10 { // halves of halves
			size(50 * time.Millisecond)
		}
		if n := size(50 * time.Millisecond); n == 0 || n > minMessage {
			t.Errorf("a message has %d bytes on a slow carrier", n)
		}
		for range MinRecordSize/minMessage + 1 {
			size(0)
		}
		if n := size(0); n < 16_000 {
			t.Errorf("a message has %d bytes on a fast carrier", n)
		}
	})
}

// Streams of all priorities arrive complete.
func TestRanksKeepData(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		client, server := pair(t, v, nil)
		defer client.CloseWithError(0, "")
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				w, err := client.OpenUniStream(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				p := w.(transport.Prioritizer)
				for part := range 20 {
					p.SetPriority(int8(i+part)%urgencies, (i*part)%3 == 0)
					if _, err := w.Write(bytes.Repeat([]byte{byte(i)}, 5000)); err != nil {
						t.Error(err)
					}
				}
				_ = w.Close()
			})
		}
		for range 40 {
			r, err := server.AcceptUniStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				b, err := io.ReadAll(r)
				if err != nil || len(b) != 100_000 || len(bytes.Trim(b, string(b[:1]))) > 0 {
					t.Errorf("%d bytes, %v", len(b), err)
				}
			})
		}
		all.Wait()
	})
}
