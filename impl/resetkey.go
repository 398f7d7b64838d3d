package impl

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"

	"github.com/quic-go/quic-go"
)

// resetLabel separates the key of stateless resets from anything else that is
// derived from a certificate's private key.
const resetLabel = "moqlite stateless reset"

// resetKey derives the key of stateless resets from the private key of a
// server's certificate. If none can be exported, as from a hardware module, the
// key is random.
func resetKey(c *tls.Config) *quic.StatelessResetKey {
	key := new(quic.StatelessResetKey)
	if secret := exportKey(c); secret != nil {
		// The key's length is far below the most that HKDF gives.
		derived, _ := hkdf.Key(sha256.New, secret, nil, resetLabel, len(key))
		copy(key[:], derived)
		return key
	}
	_, _ = rand.Read(key[:]) // never fails
	return key
}

// exportKey returns the private key of the certificate that clients without a
// server name get, or of another one, as PKCS #8. It returns nil if none can be
// exported.
func exportKey(c *tls.Config) []byte {
	certs := c.Certificates
	if cert := unnamedCertificate(c); cert != nil {
		certs = append([]tls.Certificate{*cert}, certs...)
	}
	for _, cert := range certs {
		if secret, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey); err == nil {
			return secret
		}
	}
	return nil
}

// unnamedCertificate returns the certificate for clients without a server name,
// or nil. There is no client yet: a GetCertificate that needs to know more of it,
// its connection say, may panic.
func unnamedCertificate(c *tls.Config) (cert *tls.Certificate) {
	defer func() {
		if recover() != nil {
			cert = nil
		}
	}()
	cert, err := leafCertificate(c, "")
	if err != nil {
		return nil
	}
	return cert
}
