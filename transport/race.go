package transport

import (
	"context"
	"time"
)

// A Race tries several ways to one end, for those who write transports, as Happy
// Eyeballs do (RFC 8305): each has a head start before the next is tried beside
// it, the first to succeed wins, and nothing is left of the others.
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

// A FailedAttempt is one of a [Race].
type FailedAttempt struct {
	Attempt int   // its number, from 0
	Err     error // why it failed
}

// A raced attempt has ended.
type raced[T any] struct {
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
func (r Race[T]) Run(ctx context.Context, n int, try func(ctx context.Context, attempt int) (T, error)) (value T, won int, failed []FailedAttempt) {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan raced[T], n)
	next, running := 0, 0
	start := func() {
		attempt := next
		next++
		running++
		go func() {
			v, err := try(ctx, attempt)
			results <- raced[T]{attempt, v, err}
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
			failed = append(failed, FailedAttempt{end.attempt, end.err})
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
