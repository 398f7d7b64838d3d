package inorder

import (
	"context"
	"errors"
	"sync"
)

// maxFetches is how many groups are fetched at once.
const maxFetches = 8

// errFetching stands for the result of a call of Fetch that has not returned.
var errFetching = errors.New("the group is being fetched")

// fetches are the calls of [Config].Fetch in one numbering of a track.
type fetches struct {
	ctx     context.Context
	cancel  context.CancelFunc
	c       *Config
	alarm   *alarm
	running sync.WaitGroup

	mu    sync.Mutex
	asked map[uint64]error // errFetching, or why it cannot be fetched
	came  []Group
	none  bool // nothing can be fetched
}

func newFetches(ctx context.Context, c *Config, a *alarm) *fetches {
	f := &fetches{c: c, alarm: a, asked: make(map[uint64]error)}
	f.ctx, f.cancel = context.WithCancel(ctx)
	return f
}

// possible reports whether groups can be fetched.
func (f *fetches) possible() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.c.Fetch != nil && !f.none
}

// idle reports whether no call runs, and no group waits for take.
func (f *fetches) idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked) == 0 && len(f.came) == 0
}

// try asks for the groups [next, end), some at a time. It returns those from
// next on that cannot be fetched, with why they are missing or, if that is not
// known, why they cannot be fetched; false if there is none yet.
func (f *fetches) try(next, end uint64, why error) (uint64, error, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for number := next; number < min(end, next+maxFetches); number++ {
		if _, asked := f.asked[number]; !asked {
			f.asked[number] = errFetching
			f.running.Go(func() { f.ask(number) })
		}
	}
	err := f.asked[next]
	switch {
	case f.none:
		return end, why, true
	case err == errFetching:
		return 0, nil, false
	case why == nil:
		why = err
	}
	to := next + 1
	for ; to < end; to++ {
		also, asked := f.asked[to]
		if !asked || also == errFetching || !f.c.Same(also, err) {
			break
		}
	}
	return to, why, true
}

// ask fetches one group.
func (f *fetches) ask(number uint64) {
	ctx, cancel := context.WithTimeout(f.ctx, f.c.Patience)
	defer cancel()
	g, err := f.c.Fetch(ctx, number)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.asked, number)
		f.came = append(f.came, g)
	} else {
		f.asked[number] = err
		f.none = f.none || f.c.Never(err)
	}
	f.alarm.ring()
}

// take returns the groups that have come.
func (f *fetches) take() []Group {
	f.mu.Lock()
	defer f.mu.Unlock()
	came := f.came
	f.came = nil
	return came
}

// forget forgets the groups before next that could not be fetched.
func (f *fetches) forget(next uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for number, err := range f.asked {
		if number < next && err != errFetching {
			delete(f.asked, number)
		}
	}
}

// close ends the calls and waits for them.
func (f *fetches) close() {
	f.cancel()
	f.running.Wait()
	for _, g := range f.take() {
		g.Abandon()
	}
}
