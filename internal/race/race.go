// Package race tries several ways to one end, as happy eyeballs do (RFC 8305):
// each has a head start before the next is tried beside it, the first to succeed
// wins, and nothing is left of the others.
package race

import (
	"context"
	"time"
)

// A Race is how attempts at a T are made.
type Race[T any] struct {
	// HeadStart is how long the newest attempt is alone before the next one
	// begins. One that fails is followed at once.
	HeadStart time.Duration

	// Discard ends what an attempt has made that did not win.
	Discard func(T)

	// Final tells whether the error of an attempt, counted from 0, ends the
	// race: the others would fail too. Nil: no error does.
	Final func(attempt int, err error) bool
}

// A Failure is an attempt that failed.
type Failure struct {
	Attempt int // from 0
	Err     error
}

// A result is how one attempt has ended.
type result[T any] struct {
	attempt int
	value   T
	err     error
}

// Run makes up to n attempts, at least one, by calling try in a goroutine each.
// It returns the value of the first that succeeds, and its number. When that is
// none, won is negative and the failures say why, in the order in which they
// came: all n, or fewer where one was final or ctx has ended.
//
// The context of try ends with the race. Run returns when every attempt is over.
func (r Race[T]) Run(ctx context.Context, n int, try func(ctx context.Context, attempt int) (T, error)) (value T, won int, failed []Failure) {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan result[T], n)
	next, running := 0, 0
	start := func() {
		attempt := next
		next++
		running++
		go func() {
			v, err := try(ctx, attempt)
			results <- result[T]{attempt, v, err}
		}()
	}
	defer func() {
		cancel()
		for ; running > 0; running-- {
			if late := <-results; late.err == nil {
				r.Discard(late.value)
			}
		}
	}()
	timer := time.NewTimer(r.HeadStart)
	defer timer.Stop()
	for start(); ; timer.Reset(r.HeadStart) {
		select {
		case end := <-results:
			running--
			if end.err == nil {
				return end.value, end.attempt, nil
			}
			failed = append(failed, Failure{end.attempt, end.err})
			if r.Final != nil && r.Final(end.attempt, end.err) || ctx.Err() != nil || next == n && running == 0 {
				return value, -1, failed
			}
		case <-timer.C:
		}
		if next < n {
			start()
		}
	}
}
