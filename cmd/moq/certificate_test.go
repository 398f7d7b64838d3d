package main

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/impl/devcert"
)

// A relay that runs for a month prints each certificate's fingerprint a day
// before the certificate is used.
func TestRenewalsAreAnnounced(t *testing.T) {
	for _, test := range []struct {
		after time.Duration
		lines int
	}{{10 * 24 * time.Hour, 0}, {12 * 24 * time.Hour, 1}, {30 * 24 * time.Hour, 2}} {
		synctest.Test(t, func(t *testing.T) {
			rotation, err := devcert.NewRotation()
			if err != nil {
				t.Fatal(err)
			}
			var told strings.Builder
			ctx, cancel := context.WithTimeout(t.Context(), test.after)
			defer cancel()
			(&options{stdio: stdio{err: &told}}).announceRenewals(ctx, rotation)
			fingerprint, err := fingerprintOf(rotation.Config())
			if lines := strings.Count(told.String(), "\n"); err != nil || lines != test.lines {
				t.Errorf("after %v: %q, %v", test.after, told.String(), err)
			}
			if test.lines > 0 && !strings.Contains(told.String(), fingerprint) {
				t.Errorf("after %v: %q, and %s is in use", test.after, told.String(), fingerprint)
			}
		})
	}
}
