package transporttest

import (
	"testing"
	"time"
)

// A recorder is a testing.TB that only records cleanups and errors.
type recorder struct {
	testing.TB
	cleanups []func()
	failed   bool
}

func (r *recorder) Cleanup(f func())      { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestNoLeaks(t *testing.T) {
	for name, c := range map[string]struct {
		during func(stop chan struct{})
		want   bool
	}{
		"nothing runs":         {func(chan struct{}) {}, false},
		"one ends a bit later": {func(chan struct{}) { go time.Sleep(moment) }, false},
		"one stays":            {func(stop chan struct{}) { go func() { <-stop }() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			stop := make(chan struct{})
			defer close(stop)
			r := &recorder{TB: t}
			noLeaks(r, time.Second)
			c.during(stop)
			r.cleanups[0]()
			if r.failed != c.want {
				t.Errorf("failed: %t, want %t", r.failed, c.want)
			}
		})
	}
}
