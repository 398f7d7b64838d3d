// Package tlspin verifies a server by the fingerprint of its certificate, as
// browsers do with serverCertificateHashes. It is for development servers,
// whose certificates are not signed by an authority.
//
//	fingerprint, err := tlspin.Parse("ee38e053…")
//	client := &impl.Client{TLSConfig: tlspin.Config(nil, fingerprint)}
package tlspin

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxValidity is the longest validity period of a certificate that can be
// pinned. Browsers have the same limit.
const MaxValidity = 14 * 24 * time.Hour

// ErrMismatch: the server's certificate has another fingerprint.
var ErrMismatch = errors.New("the certificate has another fingerprint")

// A Fingerprint is the SHA-256 hash of a certificate in DER form.
type Fingerprint = [sha256.Size]byte

// Parse parses a fingerprint of 64 hexadecimal digits. It ignores white space
// around them, and colons between them.
func Parse(s string) (Fingerprint, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(s), ":", ""))
	if err != nil || len(b) != sha256.Size {
		return Fingerprint{}, errors.New("a fingerprint is 64 hexadecimal digits")
	}
	return Fingerprint(b), nil
}

// Config returns a copy of base, which may be nil, that trusts a server if its
// certificate has one of the fingerprints, an ECDSA key, and a validity period
// that includes the current time and is at most MaxValidity long. Name and
// issuer are not checked. A VerifyConnection of base is called as well.
// Failures are of type [*tls.CertificateVerificationError].
func Config(base *tls.Config, fingerprints ...Fingerprint) *tls.Config {
	c := base.Clone()
	if c == nil {
		c = new(tls.Config)
	}
	fingerprints = slices.Clone(fingerprints)
	now, next := c.Time, c.VerifyConnection
	if now == nil {
		now = time.Now
	}
	c.InsecureSkipVerify = true // VerifyConnection verifies instead
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) == 0 {
			return errors.New("the server has no certificate")
		}
		if err := check(cs.PeerCertificates[0], now(), fingerprints); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
		}
		if next != nil {
			return next(cs)
		}
		return nil
	}
	return c
}

func check(leaf *x509.Certificate, now time.Time, fingerprints []Fingerprint) error {
	sum := sha256.Sum256(leaf.Raw)
	if !slices.Contains(fingerprints, sum) {
		return fmt.Errorf("%w (%x)", ErrMismatch, sum)
	}
	if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok {
		return fmt.Errorf("the key of a pinned certificate is ECDSA, not %v", leaf.PublicKeyAlgorithm)
	}
	switch valid := leaf.NotAfter.Sub(leaf.NotBefore); {
	case valid > MaxValidity:
		return fmt.Errorf("a pinned certificate is valid for at most %v, not for %v", MaxValidity, valid)
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the pinned certificate is valid from %v on", leaf.NotBefore)
	case now.After(leaf.NotAfter):
		return x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired, Detail: fmt.Sprintf("the pinned certificate was valid until %v", leaf.NotAfter)}
	}
	return nil
}
