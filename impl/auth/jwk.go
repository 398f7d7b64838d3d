package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Bounds on what is read. The least shared secret is as long as the shortest hash, so
// that it is no easier to guess than a signature. A larger RSA key would cost whoever
// verifies by it much more than whoever sends the tokens.
const (
	maxKeyBytes = 64 << 10 // of a key file
	secretBytes = 32       // the least of a shared secret
	maxRSABits  = 16 << 10
)

// jwkMembers are the members of a JSON Web Key, by type, that make the key.
var jwkMembers = map[string][]string{
	"oct": {"k"},
	"EC":  {"crv", "x", "y", "d"},
	"RSA": {"n", "e", "d", "p", "q", "dp", "dq", "qi"},
	"OKP": {"crv", "x", "d"},
}

// ParseKey reads a key: a JSON Web Key (RFC 7517), or that in base64url, with
// white space around it. It must have kty and alg, which must fit each other and
// the key. Optional are kid; key_ops, without which it is for signing and
// verifying; and scope, what its tokens may grant ([Key.Limit]). Other members
// are ignored. Errors contain nothing of the key.
func ParseKey(data []byte) (*Key, error) {
	k, err := parseKey(data)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return k, nil
}

// parseKey is ParseKey; its errors do not say yet that they are about a key.
func parseKey(data []byte) (*Key, error) {
	if len(data) > maxKeyBytes {
		return nil, fmt.Errorf("it has more than %d bytes", maxKeyBytes)
	}
	data = trim(data)
	if len(data) == 0 {
		return nil, errors.New("there is nothing")
	}
	if data[0] != '{' {
		text, err := decode64(unpad(string(data)))
		if err != nil {
			return nil, errors.New("it is neither JSON nor base64url of it")
		}
		data = text
	}
	members, err := parseObject(data)
	if err != nil {
		return nil, fmt.Errorf("it %w", err)
	}
	return members.key()
}

// key makes a key of the members of a JSON Web Key.
func (o object) key() (*Key, error) {
	kty, err := o.text("kty")
	if err != nil {
		return nil, err
	}
	alg, err := o.text("alg")
	if err != nil {
		return nil, err
	}
	k := new(Key)
	if k.algorithm, err = algorithmOf(alg); err != nil {
		return nil, err
	}
	if k.algorithm.kty != kty {
		return nil, fmt.Errorf("%s is for keys of type %s, and this has %q", alg, k.algorithm.kty, kty)
	}
	// Programs that write absent members as null mean no key id and no scope.
	// Null for any other member is an error of its type.
	o.without("kid", "scope")
	if k.id, err = o.text("kid"); err != nil {
		return nil, err
	}
	if _, ok := o["kid"]; ok && !validID(k.id) {
		return nil, errors.New("kid may have 1 to 128 letters, digits, - and _")
	}
	if err := k.setOperations(o); err != nil {
		return nil, err
	}
	if raw, ok := o["scope"]; ok {
		if k.scope, err = parseScope(raw); err != nil {
			return nil, fmt.Errorf("scope: %w", err)
		}
	}
	k.material, err = k.algorithm.material(o)
	return k, err
}

// setOperations reads key_ops.
func (k *Key) setOperations(o object) error {
	if _, ok := o["key_ops"]; !ok {
		k.signs, k.verifies = true, true
		return nil
	}
	operations, err := o.texts("key_ops")
	if err != nil {
		return err
	}
	if len(operations) == 0 {
		return errors.New("key_ops is empty: the key is for nothing")
	}
	for _, operation := range operations {
		switch operation {
		case "sign":
			k.signs = true
		case "verify":
			k.verifies = true
		// Of no use here, but no reason to refuse a key that may be used
		// otherwise.
		case "encrypt", "decrypt":
		default:
			return fmt.Errorf("key_ops has %q, which is none of sign, verify, encrypt and decrypt", operation)
		}
	}
	return nil
}

// material reads the key itself.
func (a *algorithm) material(o object) (*material, error) {
	members := map[string]string{"kty": a.kty}
	for _, name := range jwkMembers[a.kty] {
		if _, ok := o[name]; !ok {
			continue
		}
		text, err := o.text(name)
		if err != nil {
			return nil, err
		}
		if name != "crv" {
			text = unpad(text)
			if _, err := decode64(text); err != nil {
				return nil, fmt.Errorf("%s %w", name, err)
			}
		}
		members[name] = text
	}
	if crv := members["crv"]; crv != a.crv {
		return nil, fmt.Errorf("%s is for the curve %s, and this has %q", a.name, a.crv, crv)
	}
	// go-jose gets only the members that make the key, which were read strictly:
	// it would read more of them, and less strictly.
	text, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	var parsed jose.JSONWebKey
	if err := parsed.UnmarshalJSON(text); err != nil {
		// Its errors tell which member does not fit, and no value.
		return nil, errors.New(strings.TrimPrefix(err.Error(), "go-jose/go-jose: "))
	}
	return checkMaterial(parsed.Key)
}

// checkMaterial refuses keys that are too weak, or not whole.
func checkMaterial(key any) (*material, error) {
	switch k := key.(type) {
	case []byte:
		if len(k) < secretBytes {
			return nil, fmt.Errorf("the secret has %d bytes, the least is %d", len(k), secretBytes)
		}
	case *rsa.PrivateKey:
		if err := k.Validate(); err != nil {
			return nil, errors.New("the numbers of the RSA key do not fit each other")
		}
		if _, err := checkMaterial(&k.PublicKey); err != nil {
			return nil, err
		}
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < rsaBits || bits > maxRSABits {
			return nil, fmt.Errorf("the RSA key has %d bits, not %d to %d", bits, rsaBits, maxRSABits)
		}
		return &material{public: k}, nil
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return &material{public: k}, nil
	case *ecdsa.PrivateKey, ed25519.PrivateKey:
	default:
		return nil, fmt.Errorf("a key of type %T", key)
	}
	return &material{secret: key, public: publicOf(key)}, nil
}

// parseScope reads what the tokens of a key may grant.
func parseScope(raw json.RawMessage) (*Claims, error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("it %w", err)
	}
	scope, err := o.access(false)
	if err != nil {
		return nil, err
	}
	// A limit that is not understood must not be taken for none.
	for name := range o {
		if !slices.Contains(accessMembers, name) {
			return nil, fmt.Errorf("it has %q, which means nothing here", name)
		}
	}
	return &scope, nil
}

// JWK returns the key as a JSON Web Key, its secret included.
func (k *Key) JWK() ([]byte, error) {
	material := k.material.secret
	if material == nil {
		material = k.material.public
	}
	text, err := jose.JSONWebKey{Key: material, KeyID: k.id, Algorithm: string(k.algorithm.name)}.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	var operations []string
	if k.signs {
		operations = append(operations, "sign")
	}
	if k.verifies {
		operations = append(operations, "verify")
	}
	if operations == nil {
		operations = []string{"encrypt"} // what was read had none of ours
	}
	members["key_ops"] = operations
	if k.scope != nil {
		members["scope"] = k.scope.members()
	}
	return json.Marshal(members)
}
