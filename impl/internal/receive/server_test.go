package receive

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Of the sessions of a server that together hold more than its limit, the one that holds
// more than its share loses groups, until all are within it. A session that has ended does
// not count.
func TestServerLimit(t *testing.T) {
	const size = 3000
	synctest.Test(t, func(t *testing.T) {
		server := NewServerBudget(limit)
		var worlds []*world
		held := func() (n int) {
			for _, w := range worlds {
				n += int(w.budget.held.Load())
			}
			return n
		}
		fill := func(groups int) *world {
			w := newWorld(t, 0, 8*limit, server)
			worlds = append(worlds, w)
			for i := range groups {
				w.whole(w.tracks[i%len(w.tracks)], i, size)
			}
			return w
		}
		most := fill(250)
		each := int(most.groups[0].group.weight)
		for range 3 {
			fill(30)
		}
		lost := (held() - limit + each - 1) / each
		time.Sleep(time.Second)
		for i, w := range worlds {
			w.settle()
			w.check()
			if got, want := int(w.budget.Dropped()), lost*max(1-i, 0); got != want {
				t.Errorf("session %d has lost %d groups, want %d", i, got, want)
			}
		}
		// What a session holds that has ended does not count.
		worlds[1].budget.Leave()
		for i := range 25 {
			most.whole(most.tracks[0], 1000+i, size)
		}
		time.Sleep(time.Second)
		if got := int(most.budget.Dropped()); got != lost {
			t.Errorf("%d groups lost more, though a session has ended", got-lost)
		}
		for _, w := range worlds {
			w.budget.Leave()
			w.end()
		}
		time.Sleep(time.Second)
		if server.due.Load() {
			t.Error("the server's sessions are looked at for ever")
		}
	})
}

// A session that holds more than its part loses groups even if those that come to hold more
// later stay below theirs.
func TestServerLimitLater(t *testing.T) {
	const size = 3000
	synctest.Test(t, func(t *testing.T) {
		server := NewServerBudget(limit)
		var worlds []*world
		for range 4 {
			worlds = append(worlds, newWorld(t, 0, 8*limit, server))
		}
		for seq := range 200 { // 700 KB
			worlds[0].whole(worlds[0].tracks[0], seq, size)
		}
		time.Sleep(time.Second)
		if n := worlds[0].budget.Dropped(); n != 0 {
			t.Errorf("%d groups were dropped within the limit", n)
		}
		for _, w := range worlds[1:] {
			for seq := range 60 { // 210 KB
				w.whole(w.tracks[0], seq, size)
			}
		}
		time.Sleep(time.Second)
		for i, w := range worlds {
			w.settle()
			w.check()
			if n := w.budget.Dropped(); (n > 0) != (i == 0) {
				t.Errorf("session %d has lost %d groups", i, n)
			}
		}
		for _, w := range worlds {
			w.budget.Leave()
			w.end()
		}
	})
}

// What has arrived of groups that are not whole counts too, of each session that could hold
// more than its part.
func TestServerLimitOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := NewServerBudget(limit)
		var worlds []*world
		for range 4 {
			w := newWorld(t, 0, 8*limit, server)
			worlds = append(worlds, w)
			for i := range 20 { // 2,000 KB in 4 sessions
				w.begun(w.tracks[0], i, 25_000)
			}
		}
		time.Sleep(2 * time.Second)
		var held, unread int
		for _, w := range worlds {
			w.settle()
			w.check()
			held += int(w.budget.held.Load())
			unread += w.unread()
		}
		if unread > limit || held > limit || unread < limit/4 {
			t.Errorf("%d bytes are unread, of which %d are counted", unread, held)
		}
		for _, w := range worlds {
			w.budget.Leave()
			w.end()
		}
	})
}

// A session that grows while the sessions are looked at is looked at again: the look has
// seen it, or another is due.
func TestNoGrowthIsMissed(t *testing.T) {
	const sessions, rounds = 500, 2000
	synctest.Test(t, func(t *testing.T) {
		server := NewServerBudget(sessions * limit)
		var budgets [sessions]Budget
		for i := range budgets {
			budgets[i].Init(nil, Options{Began: time.Now(), Bytes: limit, Server: server})
		}
		grows := &budgets[0]
		for i := range rounds {
			server.due.Store(true)
			var looking sync.WaitGroup
			looking.Go(server.look)
			for range i % 100 {
				runtime.Gosched()
			}
			grows.held.Add(limit + 1) // more than its part
			server.check(grows.most())
			looking.Wait()
			if !server.due.Load() {
				t.Fatal("nobody will look again")
			}
			grows.held.Store(0)
		}
		time.Sleep(time.Second)
	})
}
