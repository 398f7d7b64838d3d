package transport_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
)

const headStart = 100 * time.Millisecond

var (
	errRefused = errors.New("refused")
	errFinal   = errors.New("final")
)

// A runner is a scripted attempt: it ends after a time, with err or with its
// number. A stubborn one ignores its context.
type runner struct {
	takes    time.Duration
	err      error
	stubborn bool
}

// A field is the attempts of a race, and what happened to them.
type field struct {
	runners []runner

	mu        sync.Mutex
	started   []time.Duration
	over      int
	discarded []int
}

func (f *field) run(ctx context.Context) (value, won int, failed []transport.FailedAttempt) {
	began := time.Now()
	r := transport.Race[int]{
		HeadStart: headStart,
		Discard:   func(v int) { f.discarded = append(f.discarded, v) },
		Final:     func(attempt int, err error) bool { return attempt == 0 && err == errFinal },
	}
	return r.Run(ctx, len(f.runners), func(ctx context.Context, attempt int) (int, error) {
		f.mu.Lock()
		f.started = append(f.started, time.Since(began))
		f.mu.Unlock()
		defer func() {
			f.mu.Lock()
			f.over++
			f.mu.Unlock()
		}()
		this, ended := f.runners[attempt], ctx.Done()
		if this.stubborn {
			ended = nil
		}
		select {
		case <-time.After(this.takes):
			return 10 + attempt, this.err
		case <-ended:
			return 0, ctx.Err()
		}
	})
}

func TestRun(t *testing.T) {
	const ms = time.Millisecond
	refused := func(attempts ...int) (failed []transport.FailedAttempt) {
		for _, a := range attempts {
			failed = append(failed, transport.FailedAttempt{Attempt: a, Err: errRefused})
		}
		return failed
	}
	for name, c := range map[string]struct {
		runners   []runner
		won       int
		failed    []transport.FailedAttempt
		took      time.Duration
		started   []time.Duration
		discarded []int
	}{
		"the first is quick":          {[]runner{{takes: 10 * ms}, {}}, 0, nil, 10 * ms, []time.Duration{0}, nil},
		"the first is slow, and wins": {[]runner{{takes: 150 * ms}, {takes: time.Hour}}, 0, nil, 150 * ms, []time.Duration{0, headStart}, nil},
		"the first is silent":         {[]runner{{takes: time.Hour}, {takes: 10 * ms}}, 1, nil, 110 * ms, []time.Duration{0, headStart}, nil},
		"the first fails":             {[]runner{{takes: 20 * ms, err: errRefused}, {takes: 10 * ms}}, 1, nil, 30 * ms, []time.Duration{0, 20 * ms}, nil},
		"a head start begins anew": {
			[]runner{{takes: 50 * ms, err: errRefused}, {takes: time.Hour}, {takes: 10 * ms}},
			2, nil, 160 * ms, []time.Duration{0, 50 * ms, 150 * ms}, nil,
		},
		"two succeed": {
			[]runner{{takes: 300 * ms, stubborn: true}, {takes: 10 * ms}},
			1, nil, 300 * ms, []time.Duration{0, headStart}, []int{10},
		},
		"all fail, the last one first": {
			[]runner{{takes: 300 * ms, err: errRefused}, {takes: 10 * ms, err: errRefused}},
			-1, refused(1, 0), 300 * ms, []time.Duration{0, headStart}, nil,
		},
		"the first fails for good":     {[]runner{{err: errFinal}, {}}, -1, []transport.FailedAttempt{{Err: errFinal}}, 0, []time.Duration{0}, nil},
		"the second fails for good":    {[]runner{{takes: 200 * ms}, {err: errFinal}}, 0, nil, 200 * ms, []time.Duration{0, headStart}, nil},
		"there is one, and it is slow": {[]runner{{takes: time.Second}}, 0, nil, time.Second, []time.Duration{0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, f := time.Now(), &field{runners: c.runners}
				value, won, failed := f.run(t.Context())
				if took := time.Since(began); won != c.won || took != c.took || !slices.Equal(failed, c.failed) {
					t.Errorf("won by %d after %v, failed %v; want by %d after %v, failed %v", won, took, failed, c.won, c.took, c.failed)
				}
				if won >= 0 && value != 10+won || won < 0 && value != 0 {
					t.Errorf("the value is %d", value)
				}
				if f.over != len(f.started) {
					t.Errorf("%d of %d attempts are over", f.over, len(f.started))
				}
				if !slices.Equal(f.started, c.started) || !slices.Equal(f.discarded, c.discarded) {
					t.Errorf("started at %v, discarded %v; want %v, %v", f.started, f.discarded, c.started, c.discarded)
				}
			})
		})
	}
}

// TestRunEndsWithItsContext checks that a race ends with its context and then
// starts nothing.
func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		began, f := time.Now(), &field{runners: make([]runner, 3)}
		for i := range f.runners {
			f.runners[i].takes = time.Hour
		}
		_, won, failed := f.run(ctx)
		if won >= 0 || len(failed) != 1 || !errors.Is(failed[0].Err, context.DeadlineExceeded) || time.Since(began) != 150*time.Millisecond {
			t.Errorf("won by %d, failed %v after %v", won, failed, time.Since(began))
		}
		if len(f.started) != 2 || f.over != 2 {
			t.Errorf("started at %v, %d are over", f.started, f.over)
		}
	})
}
