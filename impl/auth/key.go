package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
)

// A Key signs tokens, or verifies them, or both: a secret, a private key or a
// public one, with the one algorithm that it is for. It does not change, and any
// number of goroutines may use it. However it is printed, it shows its algorithm
// and id alone.
type Key struct {
	algorithm *algorithm
	id        string
	signs     bool
	verifies  bool
	scope     *Claims // what its tokens may grant; nil: all
	material  *material
}

// A material is behind a pointer so that no printing of a struct reaches it.
type material struct {
	secret any // of []byte, *ecdsa.PrivateKey, *rsa.PrivateKey or ed25519.PrivateKey; nil if there is none
	public any // what verifies: []byte, *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey
}

var errNoSecret = errors.New("the key has no private part")

// NewKey makes a key for an algorithm of [Algorithms]. Its id, by which a
// verifier with many keys finds it, has 1 to 128 letters, digits, "-" and "_";
// an empty one is replaced by a random one.
func NewKey(algorithm, id string) (*Key, error) {
	a, err := algorithmOf(algorithm)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if id == "" {
		var random [8]byte
		_, _ = rand.Read(random[:]) // never fails
		id = hex.EncodeToString(random[:])
	}
	if !validID(id) {
		return nil, errors.New("key: the id may have 1 to 128 letters, digits, - and _")
	}
	secret, err := a.generate()
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return &Key{algorithm: a, id: id, signs: true, verifies: true, material: &material{secret, publicOf(secret)}}, nil
}

// publicOf returns what verifies the signatures of a secret.
func publicOf(secret any) any {
	switch k := secret.(type) {
	case *ecdsa.PrivateKey:
		return &k.PublicKey
	case *rsa.PrivateKey:
		return &k.PublicKey
	case ed25519.PrivateKey:
		return k.Public()
	default:
		return secret
	}
}

// validID reports whether a key may have this id.
func validID(id string) bool {
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= 128
}

// ID returns the key's id; "" if it has none.
func (k *Key) ID() string { return k.id }

// Algorithm returns the name of the key's algorithm.
func (k *Key) Algorithm() string { return string(k.algorithm.name) }

// Public returns the key that verifies what k signs, and cannot sign. The
// algorithms HS256, HS384 and HS512 have none: what verifies is the secret.
func (k *Key) Public() (*Key, error) {
	if k.algorithm.kty == "oct" {
		return nil, fmt.Errorf("key %s has no public part: with %s, who can verify can sign", k.id, k.algorithm.name)
	}
	if !k.verifies {
		return nil, fmt.Errorf("key %s is not for verifying", k.id)
	}
	// The copy shares no material with k, so nothing that is done with it reaches
	// the secret.
	public := *k
	public.signs, public.material = false, &material{public: k.material.public}
	return &public, nil
}

// Limit returns k with a scope: its tokens may grant no more than scope does,
// neither where they are issued nor where they are verified. Scope has no times;
// a limited key cannot be widened.
func (k *Key) Limit(scope Claims) (*Key, error) {
	if !scope.Expires.IsZero() || !scope.NotBefore.IsZero() || !scope.IssuedAt.IsZero() {
		return nil, errors.New("limit a key: a scope has no times")
	}
	scope, err := scope.canonical()
	if err != nil {
		return nil, fmt.Errorf("limit a key: %w", err)
	}
	if err := scope.within(k.scope); err != nil {
		return nil, fmt.Errorf("limit a key: %w", err)
	}
	limited := *k
	limited.scope = &scope
	return &limited, nil
}

// WriteFile writes the key to a file, as [ParseKey] reads it. A file that is
// there is replaced at once, so that who reads it meanwhile sees one key or the
// other. Only the owner may read the file, unless the key is a public one.
func (k *Key) WriteFile(name string) error {
	text, err := k.JWK()
	if err != nil {
		return err
	}
	// A shared secret is secret even where it only verifies.
	mode := os.FileMode(0o600)
	if k.algorithm.kty != "oct" && k.material.secret == nil {
		mode = 0o644
	}
	if err := replace(name, append(text, '\n'), mode); err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	return nil
}

// replace writes a file beside the one of that name, and renames it.
func replace(name string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".key-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // it is gone once it was renamed
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// String returns the key's algorithm and id, and no secret.
func (k Key) String() string {
	if k.algorithm == nil {
		return "no key"
	}
	return fmt.Sprintf("key %q for %s", k.id, k.algorithm.name)
}

// GoString returns what String does.
func (k Key) GoString() string { return k.String() }

// Format prints what String returns, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue returns what String does.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText returns what String does, so that no encoder finds a secret. See
// [Key.JWK].
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
