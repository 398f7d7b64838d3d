package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moqlite/moqlite/api"
)

// maxTokenBytes bounds a token. Over most transports none so large arrives.
const maxTokenBytes = 64 << 10

// Issue returns a token: a JSON Web Token in compact form, as a URL has it in
// jwt=. It grants what claims say, which must be something, and be within the
// key's scope. The token is a secret: who has it, may do so.
func (k *Key) Issue(claims Claims) (string, error) {
	token, err := k.issue(claims)
	if err != nil {
		return "", fmt.Errorf("issue a token: %w", err)
	}
	return token, nil
}

// issue is Issue. What it signs, verify accepts: the same checks come first, so that
// a token that nobody would accept is not made.
func (k *Key) issue(claims Claims) (string, error) {
	if !k.signs {
		return "", fmt.Errorf("%v is not for signing", k)
	}
	if k.material.secret == nil {
		return "", errNoSecret
	}
	claims, err := claims.canonical()
	if err != nil {
		return "", err
	}
	if claims.grantsNothing() {
		return "", errors.New("it would grant nothing")
	}
	if err := claims.within(k.scope); err != nil {
		return "", err
	}
	payload, err := claims.payload()
	if err != nil {
		return "", err
	}
	// go-jose would sort the members.
	header, err := marshal(struct {
		Typ string `json:"typ"`
		Alg string `json:"alg"`
		Kid string `json:"kid,omitempty"`
	}{"JWT", string(k.algorithm.name), k.id})
	if err != nil {
		return "", err
	}
	input := encode64(header) + "." + encode64(payload)
	signature, err := k.algorithm.sign(k.material.secret, []byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + encode64(signature), nil
}

// Verify returns what a token grants. Its signature must be that of the key
// which keys have for it, made with that key's own algorithm; it must be valid
// now; it may grant no more than the key's scope allows; and there may be
// nothing in it that is not understood. What a session may do at a path, is
// [Claims.At].
//
// An error matches [api.ErrUnauthorized] if the token is refused, and
// [api.ErrUnavailable] if the keys could not be had. It does not contain the
// token.
func Verify(ctx context.Context, keys Keys, token string) (Claims, error) {
	head, err := parseHeader(token)
	if err != nil {
		return Claims{}, refuse("token: %w", err)
	}
	key, err := keys.Key(ctx, head.kid)
	if err != nil {
		return Claims{}, fmt.Errorf("token: %w", err)
	}
	claims, err := key.verify(head, token)
	if err != nil {
		return Claims{}, refuse("token: %w", err)
	}
	return claims, nil
}

// A header is what counts in the header of a token.
type header struct{ alg, kid string }

// parseHeader reads the header of a token that is well formed.
func parseHeader(token string) (header, error) {
	// The bound comes first: all that follows takes time and memory by the
	// length.
	if len(token) > maxTokenBytes {
		return header{}, fmt.Errorf("it has more than %d bytes", maxTokenBytes)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return header{}, fmt.Errorf("it has %d parts, not 3", len(parts))
	}
	var decoded [3][]byte
	// All three are decoded, although only the header is used here: go-jose takes
	// base64url that decode64 does not.
	for i, part := range parts {
		var err error
		if decoded[i], err = decode64(part); err != nil {
			return header{}, fmt.Errorf("a part %w", err)
		}
	}
	o, err := parseObject(decoded[0])
	if err != nil {
		return header{}, fmt.Errorf("the header %w", err)
	}
	if _, ok := o["crit"]; ok {
		return header{}, errors.New("the header has crit: an extension that is not understood")
	}
	// Some programs write null where there is no kid.
	o.without("kid")
	var h header
	if h.alg, err = o.text("alg"); err != nil {
		return header{}, fmt.Errorf("the header: %w", err)
	}
	if h.kid, err = o.text("kid"); err != nil {
		return header{}, fmt.Errorf("the header: %w", err)
	}
	return h, nil
}

// verify returns what a token grants whose header is h.
func (k *Key) verify(h header, token string) (Claims, error) {
	if !k.verifies {
		return Claims{}, fmt.Errorf("%v is not for verifying", k)
	}
	if h.alg != string(k.algorithm.name) {
		return Claims{}, fmt.Errorf("its algorithm is not that of %v", k)
	}
	payload, err := k.algorithm.verify(k.material.public, token)
	if err != nil {
		return Claims{}, fmt.Errorf("the signature is not that of %v", k)
	}
	// Nothing of the payload is looked at before this line: who wrote it is known
	// now.
	claims, err := parseClaims(payload)
	if err != nil {
		return Claims{}, err
	}
	if err := claims.within(k.scope); err != nil {
		return Claims{}, err
	}
	return claims, claims.validAt(time.Now())
}

// At returns what a session may do that stands at path, which is compared with
// Root byte by byte: it must be escaped as it was dialled. Where path is below
// Root, what the patterns leave below it; where it is above, what they name from
// there. The grant ends when the claims do.
//
// An error matches [api.ErrUnauthorized]: path and Root lead to different
// places, or nothing is left. At does not look at the time.
func (c Claims) At(path api.BroadcastPath) (api.Grant, error) {
	c, err := c.canonical()
	if err != nil {
		return api.Grant{}, refuse("claims: %w", err)
	}
	root, path := c.Root.Clean(), path.Clean()
	if err := path.Validate(); err != nil {
		return api.Grant{}, refuse("%w", err)
	}
	if strings.Contains(string(path), "*") {
		return api.Grant{}, refuse("the path contains *, which no grant can name")
	}
	g := api.Grant{Expires: c.Expires}
	switch {
	// The session stands within what is granted: only what is left below it
	// counts.
	case path.HasPrefix(root):
		below := path.Rel(root)
		g.Publish, g.Subscribe = c.Publish.Below(below), c.Subscribe.Below(below)
	// It stands above: what is granted is a part of what it sees.
	case root.HasPrefix(path):
		between := root.Rel(path)
		if g.Publish, err = c.Publish.Under(between); err == nil {
			g.Subscribe, err = c.Subscribe.Under(between)
		}
	default:
		err = fmt.Errorf("what is granted is at %q, and not at %q", root, path)
	}
	if err != nil {
		return api.Grant{}, refuse("%w", err)
	}
	if g.Empty() {
		return api.Grant{}, refuse("nothing is granted at %q", path)
	}
	return g, nil
}
