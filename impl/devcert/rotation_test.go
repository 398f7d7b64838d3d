package devcert

import (
	"crypto/tls"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func inUse(t *testing.T, r *Rotation) tls.Certificate {
	t.Helper()
	cert, err := r.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(cert.Leaf.NotAfter); left <= 0 {
		t.Fatalf("a certificate that ended %v ago is in use", -left)
	}
	return *cert
}

// A server that is asked every hour for two months shows a valid certificate
// each time, whose fingerprint was known a day before, except for the first
// one.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := NewRotation("room.example")
		if err != nil {
			t.Fatal(err)
		}
		first := Fingerprint(inUse(t, r))
		known := make(map[[32]byte]time.Time)
		for range 60 * 24 {
			cert := inUse(t, r)
			fingerprints, err := r.Fingerprints()
			if err != nil || !slices.Contains(fingerprints, Fingerprint(cert)) {
				t.Fatalf("%x, %v, without that in use", fingerprints, err)
			}
			for _, f := range fingerprints {
				if known[f].IsZero() {
					known[f] = time.Now()
				}
			}
			if f := Fingerprint(cert); f != first && time.Since(known[f]) < overlap-time.Hour {
				t.Fatalf("in use when it was known for %v", time.Since(known[f]))
			}
			if err := cert.Leaf.VerifyHostname("room.example"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if len(known) != 6 {
			t.Errorf("%d certificates in 60 days, want 6", len(known))
		}
	})
}

// A server that nobody has asked for a year shows a valid certificate.
func TestRotationAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := NewRotation()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(365 * 24 * time.Hour)
			inUse(t, r)
		}
		announced, change := r.Change()
		if overlap != change.Sub(announced) || time.Until(change) != validity-margin {
			t.Errorf("the next change is in %v, and is announced %v before", time.Until(change), change.Sub(announced))
		}
	})
}
