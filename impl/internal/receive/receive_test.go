package receive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

var version = message.VersionByName(string(api.Lite06))

// session implements Host.
type session struct {
	tasks    sync.WaitGroup
	finished atomic.Int64
}

func (s *session) Spawn(f func()) bool         { s.tasks.Go(f); return true }
func (s *session) StreamError(err error) error { return err }
func (s *session) GroupFinished()              { s.finished.Add(1) }

// track implements Holder.
type track struct {
	mu       sync.Mutex
	share    Share
	lost     []*Group
	finished atomic.Int64
}

func (h *track) Lose(g *Group) { h.lost = append(h.lost, g) }
func (h *track) Finished()     { h.finished.Add(1) }

// world is what a random test works on: a connection whose one end writes groups, and a
// budget with some holders at the other.
type world struct {
	t        *testing.T
	r        *rand.Rand
	session  session
	budget   Budget
	arrivals *Arrivals
	tracks   []*track
	there    transport.Conn
	here     transport.Conn
	groups   []*model
	messages int // bytes of messages that have not arrived whole
}

// model is what a naive reader would expect of a group.
type model struct {
	group   *Group
	of      *track
	st      transport.SendStream
	frames  [][]byte // written and not read
	ended   bool     // the writer has ended the group
	reset   bool     // by a reset
	reading chan error
	frame   api.Frame
	over    bool // read to its end, or an error was returned
}

const limit = 1 << 20

func newWorld(t *testing.T, seed uint64, bytes uint64, server *ServerBudget) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 0))}
	w.there, w.here = memconn.Pipe(string(api.Lite06), nil, nil)
	w.budget.Init(&w.session, Options{Version: version, Began: time.Now(), FrameSize: 1 << 20, Bytes: bytes, Server: server})
	w.arrivals = w.budget.Arrivals()
	for range 4 {
		h := new(track)
		h.share.Init(&w.budget, h, &h.mu)
		w.tracks = append(w.tracks, h)
	}
	return w
}

// write sends some frames of a group, and sometimes its end. It does not wait for credit.
func (w *world) write(m *model) {
	if m.ended || m.over {
		return
	}
	var b []byte
	for range w.r.IntN(4) {
		p := bytes.Repeat([]byte{byte(w.r.Uint32())}, []int{0, 10, 1000, 30_000}[w.r.IntN(4)])
		h := message.FrameHeader{Size: uint64(len(p))}
		b = append(h.Append(version, b, 0), p...)
		m.frames = append(m.frames, p)
	}
	if len(b) > 0 {
		if err := m.st.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
			w.t.Fatal(err)
		}
		if _, err := m.st.Write(b); err != nil { // out of credit
			m.reset, m.ended = true, true
			m.st.CancelWrite(0)
			return
		}
	}
	if w.r.IntN(3) == 0 {
		m.ended = true
		_ = m.st.Close()
	}
}

// open begins a group.
func (w *world) open() {
	st, err := w.there.OpenUniStream(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	m := &model{of: w.tracks[w.r.IntN(len(w.tracks))], st: st}
	w.write(m)
	if len(m.frames) == 0 && !m.ended {
		_ = m.st.Close()
		m.ended = true
	}
	w.add(m, len(w.groups))
}

// add accepts a group.
func (w *world) add(m *model, seq int) {
	raw, err := w.here.AcceptUniStream(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	m.group, _ = w.arrivals.Accept(raw)
	m.group.Identify(api.GroupSequence(seq), 0)
	m.of.mu.Lock()
	m.of.share.Add(m.group, w.budget.now())
	m.of.mu.Unlock()
	w.groups = append(w.groups, m)
}

// read begins to read a frame.
func (m *model) read() {
	if m.reading != nil || m.over {
		return
	}
	m.group.Handed()
	m.reading = make(chan error, 1)
	go func() { m.reading <- m.group.ReadFrame(&m.frame) }()
}

// step does something at random.
func (w *world) step() {
	if len(w.groups) == 0 || w.r.IntN(5) == 0 {
		w.open()
		return
	}
	m := w.groups[w.r.IntN(len(w.groups))]
	switch w.r.IntN(20) {
	case 0:
		m.group.Cancel(api.StreamCancelled)
	case 1:
		time.Sleep(time.Duration(w.r.IntN(400)) * time.Millisecond)
	case 2:
		if n := w.r.IntN(200_000); w.budget.Take(n) {
			w.messages += n
		}
	case 3:
		w.budget.Give(w.messages)
		w.messages = 0
	case 4, 5, 6, 7, 8, 9:
		m.read()
	default:
		w.write(m)
	}
}

// settle waits until nothing is under way but readers that wait.
func (w *world) settle() {
	for synctest.Wait(); w.weighing(); synctest.Wait() {
		time.Sleep(time.Millisecond)
	}
	for _, m := range w.groups {
		if m.reading == nil {
			continue
		}
		select {
		case err := <-m.reading:
			m.reading = nil
			w.compare(m, err)
		default:
		}
	}
}

func (w *world) weighing() bool {
	return slices.ContainsFunc(w.groups, func(m *model) bool {
		m.of.mu.Lock()
		defer m.of.mu.Unlock()
		return m.group.weighing
	})
}

// compare checks what ReadFrame has returned.
func (w *world) compare(m *model, err error) {
	switch {
	case err == nil && (len(m.frames) == 0 || !bytes.Equal(m.frame.Payload, m.frames[0])):
		w.t.Fatalf("group %d: a frame that was not written", m.group.Sequence())
	case err == nil:
		m.frames = m.frames[1:]
	case err == io.EOF && (!m.ended || m.reset || len(m.frames) > 0):
		w.t.Fatalf("group %d ended before its end", m.group.Sequence())
	default:
		m.over = true
	}
}

// check compares the package's state with the models and its invariants.
func (w *world) check() {
	w.t.Helper()
	open, done := 0, 0
	var held uint64
	for _, m := range w.groups {
		g := m.group
		m.of.mu.Lock()
		listed := slices.Contains(m.of.share.Groups(), g)
		switch {
		case g.state == finished:
			done++
			if listed || g.weight != 0 || m.reading != nil || g.in.stock != nil {
				w.t.Fatalf("group %d is finished, and listed: %v, read: %v, weight %d, with %d bytes", g.seq, listed, m.reading != nil, g.weight, len(g.in.stock))
			}
		case m.over:
			w.t.Fatalf("group %d is over but not finished", g.seq)
		case g.state == read:
			open++
			if !listed || g.weight != 0 || m.reading == nil {
				w.t.Fatalf("group %d is read, and listed: %v, read: %v, weight %d", g.seq, listed, m.reading != nil, g.weight)
			}
		case g.state == parked:
			open++
			if !listed || g.weight < groupOverhead || m.reading != nil {
				w.t.Fatalf("group %d is parked, and listed: %v, read: %v, weight %d", g.seq, listed, m.reading != nil, g.weight)
			}
			held += g.weight
		default:
			w.t.Fatalf("group %d is in state %d", g.seq, g.state)
		}
		m.of.mu.Unlock()
	}
	var shares uint64
	told, lost := 0, uint64(0)
	for _, h := range w.tracks {
		h.mu.Lock()
		shares += h.share.held
		told += int(h.finished.Load())
		lost += uint64(len(h.lost))
		h.mu.Unlock()
	}
	if n := w.budget.held.Load(); n != held+uint64(w.messages) || shares != held || w.messages > limit/messagePart {
		w.t.Fatalf("the parked groups weigh %d, their shares hold %d, messages %d, and the budget %d", held, shares, w.messages, n)
	}
	if w.budget.Open() != open || told != done || int(w.session.finished.Load()) != done || lost != w.budget.Dropped() {
		w.t.Fatalf("%d groups are open, of %d, %d (%d) are told to be finished, of %d; %d are lost, %d dropped",
			w.budget.Open(), open, told, w.session.finished.Load(), done, lost, w.budget.Dropped())
	}
}

// unread returns what was written to groups that nobody reads, in bytes.
func (w *world) unread() (n int) {
	for _, m := range w.groups {
		m.of.mu.Lock()
		if m.group.state == parked && !m.reset {
			for _, p := range m.frames {
				n += len(p)
			}
		}
		m.of.mu.Unlock()
	}
	return n
}

// Groups are opened, written, read, cancelled and left alone in random order. They arrive
// as they were written, or with an error; what the budget holds is the sum of what the
// parked groups do, and is within the limit once nothing happens for a while.
func TestInvariants(t *testing.T) {
	dropped := uint64(0)
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed, limit, nil)
				for range 300 {
					w.step()
					w.settle()
					w.check()
				}
				time.Sleep(time.Second)
				w.settle()
				w.check()
				if n := w.unread(); n > limit || w.budget.held.Load() > limit {
					t.Errorf("%d bytes are unread, and the budget holds %d", n, w.budget.held.Load())
				}
				dropped += w.budget.Dropped()
				w.end()
			})
		})
	}
	if dropped == 0 {
		t.Error("nothing was dropped")
	}
}

// end cancels the groups and checks that nothing is held any more.
func (w *world) end() {
	for _, m := range w.groups {
		m.group.Cancel(api.StreamCancelled)
	}
	w.budget.Give(w.messages)
	w.messages = 0
	w.settle()
	w.check()
	for _, h := range w.tracks {
		h.mu.Lock()
		h.share.End()
		h.mu.Unlock()
	}
	if len(w.budget.all()) != 0 || w.budget.Open() != 0 || w.budget.held.Load() != 0 || w.budget.wide.Load() != 0 {
		w.t.Errorf("at the end there are %d shares, %d groups, and %d bytes held", len(w.budget.all()), w.budget.Open(), w.budget.held.Load())
	}
	_ = w.there.CloseWithError(0, "")
	w.session.tasks.Wait()
}

// Of the holders that hold more than an equal part, the one that holds most loses its
// oldest groups, but those last that the application has.
func TestWhoLoses(t *testing.T) {
	const size, handed = 3000, 10
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, limit, nil)
		counts := []int{50, 200, 100}
		for i, n := range counts {
			for seq := range n {
				w.whole(w.tracks[i], seq, size)
			}
		}
		for _, m := range w.groups {
			if m.group.Sequence() < handed {
				m.group.Handed()
			}
		}
		time.Sleep(time.Second)
		w.settle()
		w.check()
		var lost int
		for each := w.groups[0].group.weight; (350-lost)*int(each) > limit; {
			lost++
		}
		for i, h := range w.tracks {
			if i != 1 && len(h.lost) > 0 {
				t.Errorf("holder %d of %d groups has lost %d", i, counts[i], len(h.lost))
			}
		}
		if got := len(w.tracks[1].lost); lost == 0 || got != lost {
			t.Fatalf("lost %d, want %d", got, lost)
		}
		for i, g := range w.tracks[1].lost {
			if g.Sequence() != api.GroupSequence(handed+i) {
				t.Errorf("lost group %d", g.Sequence())
			}
		}
		var f api.Frame
		if err := w.tracks[1].lost[0].ReadFrame(&f); !errors.Is(err, api.ErrTooFarBehind) {
			t.Errorf("its reader gets %v", err)
		}
		w.end()
	})
}

// What the budget drops has been parked for a while, and is of a holder that has more than
// an equal part of it, even if the only groups that could be dropped at once are others'.
func TestNobodyLosesForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, limit, nil)
		for seq := range 50 {
			w.whole(w.tracks[0], seq, 3000)
		}
		time.Sleep(time.Second)
		for seq := range 300 {
			w.whole(w.tracks[1], seq, 3000)
		}
		time.Sleep(readGrace - time.Millisecond)
		if n := w.budget.Dropped(); n != 0 {
			t.Errorf("%d groups were dropped at once", n)
		}
		time.Sleep(time.Second)
		w.settle()
		w.check()
		if a, b := len(w.tracks[0].lost), len(w.tracks[1].lost); a != 0 || b == 0 {
			t.Errorf("the holders have lost %d and %d groups", a, b)
		}
		w.end()
	})
}

// A reader that comes while its group is weighed waits, and then gets what has arrived in
// order.
func TestReadWhileWeighed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, limit, nil)
		for seq := range 4 {
			w.begun(w.tracks[0], seq, 20_000)
		}
		m := w.groups[0]
		for weighing := false; !weighing; {
			time.Sleep(10 * time.Microsecond)
			m.of.mu.Lock()
			weighing = m.group.weighing
			m.of.mu.Unlock()
		}
		m.read()
		synctest.Wait()
		m.of.mu.Lock()
		if !m.group.weighing || m.group.state != parked || len(m.reading) > 0 {
			t.Errorf("it is weighed: %v, in state %d, read: %v", m.group.weighing, m.group.state, len(m.reading) > 0)
		}
		m.of.mu.Unlock()
		w.settle()
		w.check()
		if m.reading != nil || m.over || len(m.frames) != 0 {
			t.Error("the frame was not read")
		}
		w.end()
	})
}

// Parked groups make room for messages, even if no holder has more than an equal part of
// the whole budget.
func TestGroupsMakeRoomForMessages(t *testing.T) {
	const size, messages = 3000, limit / messagePart
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0, limit, nil)
		for i := range 250 {
			w.whole(w.tracks[i%len(w.tracks)], i, size)
		}
		if held := w.budget.held.Load(); held > limit {
			t.Fatalf("the groups hold %d bytes, more than the limit", held)
		}
		if !w.budget.Take(messages) {
			t.Fatal("there is no room for messages")
		}
		w.messages = messages
		time.Sleep(time.Second)
		w.settle()
		w.check()
		if held := w.budget.held.Load(); held > limit || w.budget.Dropped() == 0 {
			t.Errorf("the budget holds %d bytes, the limit is %d; %d groups were dropped", held, limit, w.budget.Dropped())
		}
		w.end()
	})
}

// whole adds a group of one frame that has arrived whole.
func (w *world) whole(h *track, seq, size int) { w.frame(h, seq, size, true) }

// begun adds a group of one frame that may go on.
func (w *world) begun(h *track, seq, size int) { w.frame(h, seq, size, false) }

func (w *world) frame(h *track, seq, size int, whole bool) {
	st, err := w.there.OpenUniStream(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	head := message.FrameHeader{Size: uint64(size)}
	if _, err := st.Write(append(head.Append(version, nil, 0), make([]byte, size)...)); err != nil {
		w.t.Fatal(err)
	}
	if whole {
		_ = st.Close()
	}
	w.add(&model{of: h, st: st, ended: whole, frames: [][]byte{make([]byte, size)}}, seq)
}
