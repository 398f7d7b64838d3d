// Package certtest makes certificates for tests.
package certtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"
)

// Options change properties of the certificate.
type Options struct {
	Key                 crypto.Signer // nil: ECDSA P-256
	NotBefore, NotAfter time.Time     // zero: an hour ago, and a day from now
}

// New makes a certificate for localhost and the loopback addresses, signed by
// itself.
func New(t testing.TB, o Options) tls.Certificate {
	t.Helper()
	if o.Key == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		o.Key = key
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = time.Now().Add(-time.Hour)
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = time.Now().Add(24 * time.Hour)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             o.NotBefore,
		NotAfter:              o.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, o.Key.Public(), o.Key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: o.Key, Leaf: leaf}
}

// Pair returns the configurations of a server and of a client that trusts it.
func Pair(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	cert := New(t, Options{})
	return Server(cert), Client(cert)
}

// Server returns the configuration of a server with cert.
func Server(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

// Client returns the configuration of a client that trusts cert alone.
func Client(cert tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	return &tls.Config{RootCAs: pool}
}

// Fingerprint returns the SHA-256 hash of cert.
func Fingerprint(cert tls.Certificate) [sha256.Size]byte { return sha256.Sum256(cert.Certificate[0]) }
