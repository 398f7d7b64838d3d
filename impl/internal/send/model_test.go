package send

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// TestInvariants does random things to lanes, groups and what the peer allows, and checks
// after each that what the package comment promises is true. In the end the peer allows
// everything, and every group that was closed has arrived whole.
func TestInvariants(t *testing.T) {
	for _, ranked := range []bool{true, false} {
		t.Run(fmt.Sprintf("ranked %t", ranked), func(t *testing.T) {
			for seed := range uint64(150) {
				synctest.Test(t, func(t *testing.T) {
					m := newModel(t, seed, ranked)
					for range 80 {
						m.step()
						synctest.Wait()
						m.check()
					}
					m.finish()
				})
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

type model struct {
	t      *testing.T
	rand   *rand.Rand
	host   *stubHost
	owner  stubOwner
	lanes  []*Lane
	groups []*modelGroup
	next   api.GroupSequence
}

// A modelGroup is a group with the goroutine that writes it.
type modelGroup struct {
	*Group
	orders chan func()
	want   []byte // everything that was written
	ended  bool   // Close or Cancel was ordered

	state sync.Mutex
	busy  bool // the writer is at work, or blocks
}

func newModel(t *testing.T, seed uint64, ranked bool) *model {
	m := &model{t: t, rand: rand.New(rand.NewPCG(seed, 0)), host: newStubHost(t, ranked)}
	m.host.queue.plain.Store(!ranked) // which the queue finds out with the first stream
	m.host.streams = m.rand.IntN(4)
	for range 1 + m.rand.IntN(4) {
		l := new(Lane)
		l.Init(m.host.queue, uint8(m.rand.IntN(3)), uint8(m.rand.IntN(2)))
		m.lanes = append(m.lanes, l)
	}
	return m
}

// step does one random thing.
func (m *model) step() {
	switch what := m.rand.IntN(26) / 2; {
	case what < 2:
		m.open()
	case what < 6:
		m.write()
	case what == 6:
		m.order(func(g *modelGroup) { m.end(g) })
	case what == 7:
		m.lanes[m.rand.IntN(len(m.lanes))].SetPriority(uint8(m.rand.IntN(3)))
	case what == 8:
		n := m.rand.IntN(3)
		m.host.set(func() { m.host.streams += n })
	case what < 11:
		m.credit(m.rand.IntN(200 << 10))
	case what == 12:
		m.cancel()
	default:
		time.Sleep(time.Duration(m.rand.IntN(150)) * time.Millisecond)
	}
}

func (m *model) open() {
	l := m.lanes[m.rand.IntN(len(m.lanes))]
	g := &modelGroup{Group: l.NewGroup(&m.owner, m.next, Frames{}), orders: make(chan func())}
	m.next++
	g.want = []byte(header(g.Sequence()))
	if !g.Open() {
		m.t.Error("the session has not ended")
	}
	m.groups = append(m.groups, g)
	go func() {
		for order := range g.orders {
			order()
			g.state.Lock()
			g.busy = false
			g.state.Unlock()
		}
	}()
}

// order gives an order to the writer of a random group that has nothing to do.
func (m *model) order(f func(g *modelGroup)) {
	if len(m.groups) == 0 {
		return
	}
	g := m.groups[m.rand.IntN(len(m.groups))]
	g.state.Lock()
	free := !g.busy && !g.ended
	g.busy = g.busy || free
	g.state.Unlock()
	if free {
		f(g)
	}
}

// write writes a frame of a random size, in one of three ways.
func (m *model) write() {
	size := m.rand.IntN(300)
	if m.rand.IntN(2) == 0 {
		size = m.rand.IntN(100 << 10)
	}
	way, payload := m.rand.IntN(4), bytes.Repeat([]byte{byte(m.rand.IntN(256))}, size)
	m.order(func(g *modelGroup) {
		h := message.FrameHeader{Size: uint64(size)}
		g.want = append(h.Append(m.host.queue.version, g.want, 0), payload...)
		g.orders <- func() {
			if err := writeFrame(g.Group, payload, way); err != nil && !g.over() {
				m.t.Errorf("group %d: %v", g.Sequence(), err)
			}
		}
	})
}

func writeFrame(g *Group, payload []byte, way int) error {
	switch way {
	case 0:
		w, err := g.StartFrame(api.FrameHeader{Size: uint64(len(payload))})
		for err == nil && len(payload) > 0 {
			n := min(len(payload), 7000)
			_, err = w.Write(payload[:n])
			payload = payload[n:]
		}
		return err
	case 1:
		return g.WriteSharedFrame(&api.SharedFrame{Frame: api.Frame{Payload: payload}})
	default:
		return g.WriteFrame(api.Frame{Payload: payload})
	}
}

func (m *model) end(g *modelGroup) {
	g.ended = true
	g.orders <- func() { _ = g.Close() }
}

// cancel cancels a random group, whatever its writer does.
func (m *model) cancel() {
	if len(m.groups) > 0 {
		g := m.groups[m.rand.IntN(len(m.groups))]
		g.ended = true
		g.Cancel(api.StreamCancelled)
	}
}

func (g *modelGroup) over() bool {
	g.Group.mu.Lock()
	defer g.Group.mu.Unlock()
	return g.err != nil
}

// credit lets a random group send n more bytes.
func (m *model) credit(n int) {
	if len(m.groups) == 0 {
		return
	}
	g := m.groups[m.rand.IntN(len(m.groups))]
	if st := streamOf(g.Group); st != nil {
		m.host.set(func() { st.credit += n })
	}
}

func streamOf(g *Group) *stubStream {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch st := g.stream.SendStream.(type) {
	case *stubStream:
		return st
	case *rankedStream:
		return st.stubStream
	default:
		return nil
	}
}

// check checks the invariants. Nothing moves meanwhile.
func (m *model) check() {
	q := m.host.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	most, states := slots, map[slotState]int{}
	if q.plain.Load() {
		most = 1
	}
	writes := make(map[*Group]int)
	counted := make(map[*Lane]int)
	inLane := make(map[*Lane]map[slotState]int)
	for _, l := range m.lanes {
		inLane[l] = map[slotState]int{}
	}
	for _, s := range q.writing {
		states[s.state]++
		inLane[s.group.lane][s.state]++
		writes[s.group]++
		counted[s.group.lane] += s.counted
	}
	if q.held != states[slotHeld] || q.held > most || q.preempted != states[slotPreempted] {
		m.t.Errorf("%d writes hold a slot and %d are preempted, of %v", q.held, q.preempted, states)
	}
	for g := q.groups; g != nil; g = g.older {
		m.checkGroup(g, writes[g], counted)
	}
	for _, l := range m.lanes {
		if l.writing != inLane[l][slotHeld] || l.stuck != inLane[l][slotStuck] {
			m.t.Errorf("a lane has %d writes and %d that are stuck, of %v", l.writing, l.stuck, inLane[l])
		}
		if have := l.admission.bytes.Load(); have != int64(counted[l]) {
			m.t.Errorf("the backlog of a lane is %d bytes, its groups have %d", have, counted[l])
		}
	}
	if q.serving {
		m.t.Error("the queue is said to be served, and nothing moves")
	}
	if g := q.ready.peek(); g != nil && q.held < most {
		m.t.Errorf("a group is queued while %d slots are free", most-q.held)
	}
}

// checkGroup checks that a group is in one of its states: idle, queued, or in a slot.
func (m *model) checkGroup(g *Group, writes int, counted map[*Lane]int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	counted[g.lane] += g.counted
	places := writes
	if g.place > 0 {
		places++
	}
	if places > 1 || g.queued != (places == 1) {
		m.t.Errorf("a group is in %d places; queued is %t", places, g.queued)
	}
	if g.done || g.closed && !g.queued {
		m.t.Errorf("a group that is over is in the list; closed is %t", g.closed)
	}
}

// finish lets everything be sent, ends all groups, and compares what has arrived.
func (m *model) finish() {
	for range 100 {
		m.host.set(func() { m.host.streams = 1000 })
		for _, g := range m.groups {
			if st := streamOf(g.Group); st != nil {
				m.host.set(func() { st.credit = 1 << 30 })
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
	}
	for _, g := range m.groups {
		if g.busy {
			m.t.Error("a writer blocks though everything is allowed")
			return
		}
		if !g.ended {
			g.orders <- func() { _ = g.Close() }
		}
		close(g.orders)
		synctest.Wait()
		if st := streamOf(g.Group); st != nil {
			m.host.set(func() { st.credit = 1 << 30 })
		}
	}
	synctest.Wait()
	m.check()
	for _, g := range m.groups {
		st := streamOf(g.Group)
		switch {
		case !m.owner.ends[g.Group].Reset && (st == nil || !st.closed || !bytes.Equal(st.got, g.want)):
			m.t.Errorf("group %d has not arrived as it was written", g.Sequence())
		case st != nil && !bytes.HasPrefix(g.want, st.got):
			m.t.Errorf("of group %d something else has arrived", g.Sequence())
		}
		if _, over := m.owner.ends[g.Group]; !over {
			m.t.Errorf("group %d is not over", g.Sequence())
		}
	}
	if n := m.host.queue.Len(); n != 0 || len(m.groups) > 0 && m.host.noneAt == 0 {
		m.t.Errorf("%d groups are left; none was told %d times", n, m.host.noneAt)
	}
}
