package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"fmt"
	"math/big"

	"github.com/go-jose/go-jose/v4"
)

// An algorithm signs tokens, and is bound to a type of keys (RFC 7518, section
// 3.1, and RFC 8037).
type algorithm struct {
	name  jose.SignatureAlgorithm
	kty   string // the type of key
	curve elliptic.Curve
	crv   string // the curve's name
	hash  crypto.Hash
	pss   bool // RSASSA-PSS rather than PKCS #1
}

// algorithms are all that keys may have. "none" is not among them, so that no token
// can do without a signature; nor is ES512, which
// moq's keys cannot have either.
var algorithms = []*algorithm{
	{name: jose.HS256, kty: "oct", hash: crypto.SHA256},
	{name: jose.HS384, kty: "oct", hash: crypto.SHA384},
	{name: jose.HS512, kty: "oct", hash: crypto.SHA512},
	{name: jose.ES256, kty: "EC", hash: crypto.SHA256, curve: elliptic.P256(), crv: "P-256"},
	{name: jose.ES384, kty: "EC", hash: crypto.SHA384, curve: elliptic.P384(), crv: "P-384"},
	{name: jose.RS256, kty: "RSA", hash: crypto.SHA256},
	{name: jose.RS384, kty: "RSA", hash: crypto.SHA384},
	{name: jose.RS512, kty: "RSA", hash: crypto.SHA512},
	{name: jose.PS256, kty: "RSA", hash: crypto.SHA256, pss: true},
	{name: jose.PS384, kty: "RSA", hash: crypto.SHA384, pss: true},
	{name: jose.PS512, kty: "RSA", hash: crypto.SHA512, pss: true},
	{name: jose.EdDSA, kty: "OKP", crv: "Ed25519"},
}

// Algorithms returns the names of the algorithms that keys may have, as [NewKey]
// takes them.
func Algorithms() []string {
	var names []string
	for _, a := range algorithms {
		names = append(names, string(a.name))
	}
	return names
}

// algorithmOf finds an algorithm by its exact name.
func algorithmOf(name string) (*algorithm, error) {
	for _, a := range algorithms {
		if string(a.name) == name {
			return a, nil
		}
	}
	return nil, fmt.Errorf("algorithm %q is none of %v", name, Algorithms())
}

// rsaBits is the size of the RSA keys that are made, and the least that is
// accepted.
const rsaBits = 2048

// generate makes the secret of a key.
func (a *algorithm) generate() (any, error) {
	switch a.kty {
	case "oct":
		secret := make([]byte, a.hash.Size())
		_, err := rand.Read(secret)
		return secret, err
	case "EC":
		return ecdsa.GenerateKey(a.curve, rand.Reader)
	case "RSA":
		return rsa.GenerateKey(rand.Reader, rsaBits)
	default:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
}

// sign returns the signature of input, as JWS has it.
func (a *algorithm) sign(secret any, input []byte) ([]byte, error) {
	// Ed25519 hashes the message itself, and HMAC has no digest that is signed
	// apart.
	if k, ok := secret.(ed25519.PrivateKey); ok {
		return ed25519.Sign(k, input), nil
	}
	if k, ok := secret.([]byte); ok {
		mac := hmac.New(a.hash.New, k)
		_, _ = mac.Write(input)
		return mac.Sum(nil), nil
	}
	hash := a.hash.New()
	_, _ = hash.Write(input)
	digest := hash.Sum(nil)
	switch k := secret.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, digest)
		if err != nil {
			return nil, err
		}
		// RFC 7518, section 3.4: the two numbers side by side, where ASN.1 is
		// usual elsewhere.
		return fixed(r, s, (a.curve.Params().BitSize+7)/8), nil
	case *rsa.PrivateKey:
		if a.pss {
			return rsa.SignPSS(rand.Reader, k, a.hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(rand.Reader, k, a.hash, digest)
	default:
		return nil, errNoSecret
	}
}

// fixed returns two numbers one after the other, each of n bytes.
func fixed(r, s *big.Int, n int) []byte {
	out := make([]byte, 2*n)
	r.FillBytes(out[:n])
	s.FillBytes(out[n:])
	return out
}

// verify checks a token of compact form, which is known to be well formed, and
// returns its payload.
func (a *algorithm) verify(public any, token string) ([]byte, error) {
	if secret, ok := public.([]byte); ok {
		// HMAC fills a key up with zeros to the hash's block. go-jose asks for as
		// many bytes as the hash has.
		public = append(make([]byte, 0, max(len(secret), a.hash.Size())), secret...)[:max(len(secret), a.hash.Size())]
	}
	// The algorithm is the key's, whatever the token's header names: with the
	// choice left to the token, a public key could be taken for the secret of an
	// HMAC.
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{a.name})
	if err != nil {
		return nil, err
	}
	return signed.Verify(public)
}
