package devcert

import (
	"crypto/tls"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport/tlspin"
)

const (
	// overlap is how long before its use the next certificate is made and
	// published, and margin how long before its expiry a certificate is
	// replaced. In both periods a certificate is valid but not used, so
	// clients that have the fingerprint of either can connect.
	overlap = 24 * time.Hour
	margin  = 24 * time.Hour
)

// A Rotation is a development certificate that is renewed when it is needed,
// so that a server with one may run for weeks. Each certificate is used for
// twelve days, and its fingerprint is known a day before. All methods may be
// called concurrently.
type Rotation struct {
	hosts []string
	file  string // where the certificates are kept (Cached); "": nowhere

	mu   sync.Mutex
	used tls.Certificate
	next tls.Certificate // its Leaf is nil until it is made
}

// NewRotation makes the first certificate. hosts are those of [New].
func NewRotation(hosts ...string) (*Rotation, error) {
	first, err := New(hosts...)
	if err != nil {
		return nil, err
	}
	return &Rotation{hosts: hosts, used: first}, nil
}

// Config returns a server's configuration with the current certificate.
func (r *Rotation) Config() *tls.Config { return &tls.Config{GetCertificate: r.GetCertificate} }

// Trust returns a client's configuration that accepts only the certificates of
// the rotation, as they are at the time of each handshake. It is for clients
// in the server's process.
func (r *Rotation) Trust() *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection verifies instead
		VerifyConnection: func(cs tls.ConnectionState) error {
			fingerprints, err := r.Fingerprints()
			if err != nil {
				return err
			}
			return tlspin.Config(nil, fingerprints...).VerifyConnection(cs)
		},
	}
}

// GetCertificate returns the current certificate. It can be the GetCertificate
// of a [tls.Config].
func (r *Rotation) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.renew(time.Now()); err != nil {
		return nil, err
	}
	cert := r.used
	return &cert, nil
}

// Fingerprints returns the fingerprints that clients should trust now: that of
// the current certificate and, in the day before its replacement, that of the
// next one.
func (r *Rotation) Fingerprints() ([][32]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.renew(time.Now()); err != nil {
		return nil, err
	}
	all := [][32]byte{Fingerprint(r.used)}
	if r.next.Leaf != nil {
		all = append(all, Fingerprint(r.next))
	}
	return all, nil
}

// Change returns when the next certificate is made, from when on
// [Rotation.Fingerprints] has both, and when it replaces the current one.
func (r *Rotation) Change() (announced, change time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.renew(time.Now()) // otherwise the times may be those of a certificate that is due for replacement
	change = changeOf(r.used)
	return change.Add(-overlap), change
}

// changeOf returns when a certificate is replaced.
func changeOf(cert tls.Certificate) time.Time { return cert.Leaf.NotAfter.Add(-margin) }

// renew makes and replaces certificates that are due. The lock is held.
func (r *Rotation) renew(now time.Time) (err error) {
	change := changeOf(r.used)
	changed := false
	if r.next.Leaf == nil && !now.Before(change.Add(-overlap)) {
		if r.next, err = New(r.hosts...); err != nil {
			return err
		}
		changed = true
	}
	if !now.Before(change) {
		r.used, r.next = r.next, tls.Certificate{}
		changed = true
	}
	if changed {
		_ = r.store() // the certificate is good without it; see Cached
	}
	return nil
}
