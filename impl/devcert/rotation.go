package devcert

import (
	"crypto/tls"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport/tlspin"
)

const (
	// overlap is how long before it is used the next certificate is known, and
	// margin how long before its end the one in use is given up: both are valid
	// meanwhile, for clients that have the fingerprint of either.
	overlap = 24 * time.Hour
	margin  = 24 * time.Hour
)

// A Rotation is a certificate for development that is renewed for as long as it
// is asked for: a server with one may run for weeks. Each certificate is used for
// twelve days, and is known a day before it is. All methods may be called
// concurrently.
type Rotation struct {
	hosts []string

	mu   sync.Mutex
	used tls.Certificate
	next tls.Certificate // without a leaf while there is none
}

// NewRotation begins with a new certificate for hosts, as [New] has them.
func NewRotation(hosts ...string) (*Rotation, error) {
	first, err := New(hosts...)
	if err != nil {
		return nil, err
	}
	return &Rotation{hosts: hosts, used: first}, nil
}

// Config is a server's configuration with the certificate in use.
func (r *Rotation) Config() *tls.Config { return &tls.Config{GetCertificate: r.GetCertificate} }

// Trust is a client's configuration that accepts the certificates of the
// rotation, as they are at each handshake, and no other: for clients in the
// process of the server.
func (r *Rotation) Trust() *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(cs tls.ConnectionState) error {
			fingerprints, err := r.Fingerprints()
			if err != nil {
				return err
			}
			return tlspin.Config(nil, fingerprints...).VerifyConnection(cs)
		},
	}
}

// GetCertificate returns the certificate in use, as the field of [tls.Config]
// wants it.
func (r *Rotation) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.renew(time.Now()); err != nil {
		return nil, err
	}
	cert := r.used
	return &cert, nil
}

// Fingerprints are those of the certificate in use and, in the day before the
// change, of the next one: what clients should trust now.
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

// Change is when the certificate in use will be replaced, and Announced when the
// next one is known: from then on [Rotation.Fingerprints] has both.
func (r *Rotation) Change() (announced, change time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.renew(time.Now()) // or the times are those of one that should have been
	change = changeOf(r.used)
	return change.Add(-overlap), change
}

// changeOf is when a certificate is replaced.
func changeOf(cert tls.Certificate) time.Time { return cert.Leaf.NotAfter.Add(-margin) }

// renew makes the certificates that are due. The lock is held.
func (r *Rotation) renew(now time.Time) (err error) {
	change := changeOf(r.used)
	if r.next.Leaf == nil && !now.Before(change.Add(-overlap)) {
		if r.next, err = New(r.hosts...); err != nil {
			return err
		}
	}
	if !now.Before(change) {
		r.used, r.next = r.next, tls.Certificate{}
	}
	return nil
}
