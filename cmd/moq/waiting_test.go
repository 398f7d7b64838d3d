package main

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSoonIsNotWaiting checks that nothing is said of a wait that ends soon.
func TestSoonIsNotWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for wait, want := range map[time.Duration]string{patience - 1: "", patience + 1: "waiting for room/x\n"} {
			var said strings.Builder
			o := &options{stdio: stdio{nil, io.Discard, &said}}
			done := o.sayWaiting("room/x")
			time.Sleep(wait)
			done()
			if got := said.String(); got != want {
				t.Errorf("after %v: %q", wait, got)
			}
		}
	})
}
