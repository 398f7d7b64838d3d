package transport

import (
	"context"
	"time"
)

// A Race runs several attempts at the same thing in the way of Happy Eyeballs
// (RFC 8305): each attempt has a head start before the next one begins beside
// it, the first success wins, and the others are cancelled and discarded. It
// is meant for implementations of transports.
type Race[T any] struct {
	// HeadStart is how long the newest attempt is alone before the next one
	// begins. When an attempt fails, the next one begins at once.
	HeadStart time.Duration

	// Discard releases the value of an attempt that succeeded but did not win.
	// Required.
	Discard func(T)

	// Final tells whether the error of an attempt, counted from 0, ends the
	// race because the others would fail too. Nil: no error does.
	Final func(attempt int, err error) bool
}

// A FailedAttempt is one of a [Race].
type FailedAttempt struct {
	Attempt int   // its number, from 0
	Err     error // why it failed
}

// A raced is the result of one attempt.
type raced[T any] struct {
	attempt int
	value   T
	err     error
}

// Run makes up to n attempts, at least one, by calling try in one goroutine
// per attempt. It returns the value and the number of the first attempt that
// succeeds. If none does, won is negative and failed has the errors in the
// order in which they occurred: all n, or fewer when Final ended the race or
// ctx ended.
//
// The context of try is cancelled when the race is over. Run returns after the
// last attempt has returned.
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
