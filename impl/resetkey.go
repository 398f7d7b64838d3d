package impl

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"slices"

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

// exportKey returns the first private key of a configuration that can be
// exported, as PKCS #8, or nil.
func exportKey(c *tls.Config) []byte {
	certs := c.Certificates
	if cert, err := leafCertificate(c, ""); err == nil {
		certs = append(slices.Clip(certs), *cert)
	}
	for _, cert := range certs {
		if secret, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey); err == nil {
			return secret
		}
	}
	return nil
}
