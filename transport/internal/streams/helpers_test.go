package streams_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/streams"
)

// An end is one end of a connection without a peer: a test does to it what a
// peer would, and reads in its log what the peer would be told.
type end struct {
	streams.Conn
	mu  sync.Mutex
	log []string
}

func newEnd() *end {
	e := new(end)
	e.Init(&e.mu)
	return e
}

// locked calls f as a transport would when something has arrived.
func (e *end) locked(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *end) say(format string, a ...any) { e.log = append(e.log, fmt.Sprintf(format, a...)) }

// said returns the log, and empties it.
func (e *end) said() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := fmt.Sprint(e.log)
	e.log = nil
	return s
}

func (e *end) close(code uint64) {
	e.locked(func() { e.End(&transport.ConnError{Code: code}) })
}

// A sender takes as many bytes as it has room for. It sends ends and resets at
// once, unless it is told to hold the end back.
type sender struct {
	streams.SendHalf
	end  *end
	room int
	hold bool
}

func newSender(e *end, room int) *sender {
	s := &sender{end: e, room: room}
	e.locked(func() { s.Init(&e.Conn, s) })
	return s
}

func (s *sender) Take(p []byte) int {
	n := min(len(p), s.room)
	if n > 0 {
		s.room -= n
		s.end.say("take %d", n)
	}
	return n
}

func (s *sender) Finish() {
	s.end.say("finish")
	if !s.hold {
		s.Tell()
	}
}

func (s *sender) Reset(code uint64) {
	s.end.say("reset %d", code)
	s.Tell()
}

func (s *sender) Ended() { s.end.say("ended") }

// grow makes room for n more bytes.
func (s *sender) grow(n int) {
	s.end.locked(func() {
		s.room += n
		s.Wake()
	})
}

// A receiver counts what it is given back.
type receiver struct {
	streams.ReceiveHalf
	end   *end
	freed int
	ended int
}

func newReceiver(e *end) *receiver {
	r := &receiver{end: e}
	e.locked(func() { r.Init(&e.Conn, r) })
	return r
}

func (r *receiver) Freed(n int) {
	r.freed += n
	r.end.say("freed %d", n)
}

func (r *receiver) Refuse(code uint64) { r.end.say("refuse %d", code) }

func (r *receiver) Ended() {
	r.ended++
	r.end.say("ended")
}

func (r *receiver) data(p string, fin bool) { r.end.locked(func() { r.Data([]byte(p), fin) }) }
func (r *receiver) reset(code uint64)       { r.end.locked(func() { r.Reset(code) }) }

// want compares what the transport was told since the last call.
func want(t *testing.T, e *end, said string) {
	t.Helper()
	if got := e.said(); got != said {
		t.Errorf("the transport was told %s, want %s", got, said)
	}
}
