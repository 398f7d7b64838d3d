// Package devcert makes certificates for development: self-signed, and of the
// kind that browsers and moq clients accept by fingerprint (ECDSA P-256, valid
// for less than 14 days).
//
//	cert, err := devcert.New("localhost")
//	server := &impl.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
//	client := &impl.Client{TLSConfig: tlspin.Config(nil, devcert.Fingerprint(cert))}
//
// A server without a TLSConfig makes such a certificate by itself, and renews
// it ([Rotation]).
package devcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	// skew is how far the clocks of clients may be behind.
	skew = time.Hour
	// validity and skew together stay below the 14 days that browsers allow.
	validity = 13 * 24 * time.Hour
)

// New makes a certificate for hosts, which are names or IP addresses. Without
// hosts it is for localhost and the loopback addresses.
func New(hosts ...string) (tls.Certificate, error) {
	cert, err := generate(orLocal(hosts))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("development certificate: %w", err)
	}
	return cert, nil
}

// orLocal returns hosts, or the names of this machine if there are none.
func orLocal(hosts []string) []string {
	if len(hosts) == 0 {
		return []string{"localhost", "127.0.0.1", "::1"}
	}
	return hosts
}

func generate(hosts []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "moqlite development"},
		NotBefore:    now.Add(-skew),
		NotAfter:     now.Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// A certificate authority, so that it can be added to a pool of roots.
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// Fingerprint returns the SHA-256 hash of the leaf certificate, which clients
// may pin. It is zero for an empty certificate.
func Fingerprint(cert tls.Certificate) [32]byte {
	if len(cert.Certificate) == 0 {
		return [32]byte{}
	}
	return sha256.Sum256(cert.Certificate[0])
}
