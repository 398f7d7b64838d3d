package api_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/moqlite/moqlite/api"
)

// TestSharedFrameForms makes many goroutines ask for a frame with few headers
// at once.
func TestSharedFrameForms(t *testing.T) {
	f := &api.SharedFrame{Frame: api.Frame{Payload: []byte("payload")}}
	headers := []string{"", "a", "b", "pay", "payload", "ab", "c", "d"}
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for _, h := range headers {
				if got := string(f.Form([]byte(h))); got != h+"payload" {
					t.Errorf("with header %q: %q", h, got)
				}
			}
		})
	}
	asking.Wait()
	if a, b := f.Form([]byte("a")), f.Form([]byte("a")); &a[0] != &b[0] {
		t.Error("what was made for a header is made again")
	}
}

// TestSharedFrameIsBounded checks that headers which all differ do not add up.
func TestSharedFrameIsBounded(t *testing.T) {
	f := &api.SharedFrame{Frame: api.Frame{Payload: make([]byte, 1<<20)}}
	kept := 0
	for i := range 100 {
		h := fmt.Appendf(nil, "%03d", i)
		if a, b := f.Form(h), f.Form(h); &a[0] == &b[0] {
			kept++
		}
	}
	if kept == 0 || kept > 8 {
		t.Errorf("%d of 100 forms are kept", kept)
	}
}
