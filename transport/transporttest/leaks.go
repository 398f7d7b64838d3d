package transporttest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// NoLeaks fails the test if goroutines that were started after this call still
// run some time after the cleanups that are registered later have run. It is
// for tests that are not parallel, since it cannot tell which test started a
// goroutine. Called from outside of a synctest bubble, it also covers
// goroutines inside.
func NoLeaks(t testing.TB) {
	t.Helper()
	noLeaks(t, leakPatience)
}

func noLeaks(t testing.TB, patience time.Duration) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		t.Helper()
		err := goleak.Find(before)
		for end := time.Now().Add(patience); err != nil && time.Now().Before(end); {
			err = goleak.Find(before)
		}
		if err != nil {
			t.Errorf("goroutines are left: %v", err)
		}
	})
}

// leakPatience covers timers of a QUIC library that outlive its connections by
// a few round trips on a slow machine.
const leakPatience = 5 * time.Second
