package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moqlite/moqlite/api"
)

// Claims are what a token grants, and when. The zero value grants nothing.
type Claims struct {
	// Root is the path that the patterns are below, with or without slashes
	// around it; it contains no "*".
	Root api.BroadcastPath

	// Publish and Subscribe name what may be published and subscribed to.
	Publish, Subscribe api.Patterns

	// Expires is when the token and the sessions that it admits end; zero:
	// never. NotBefore is when the token begins; zero: at once. Both count to
	// the second in a token, and without leeway.
	Expires, NotBefore time.Time

	// IssuedAt is when the token was made, as it says itself; nothing follows
	// from it. Zero: unknown.
	IssuedAt time.Time
}

// accessMembers are the claims that say what is granted. Put and get are lists
// of paths, each with all below it; older verifiers know no others.
var accessMembers = []string{"root", "put", "get", "publish", "subscribe"}

// canonical returns c with canonical patterns. It fails if c cannot be applied.
func (c Claims) canonical() (Claims, error) {
	root := c.Root.Clean()
	if strings.Contains(string(root), "*") {
		return Claims{}, errors.New("root contains *")
	}
	if err := root.Validate(); err != nil {
		return Claims{}, fmt.Errorf("root: %w", err)
	}
	// Two spellings of one pattern have to compare as equal where a scope is
	// applied.
	for name, patterns := range map[string]*api.Patterns{"publish": &c.Publish, "subscribe": &c.Subscribe} {
		var err error
		if *patterns, err = patterns.Canonical(); err != nil {
			return Claims{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

// grantsNothing reports whether c is of no use.
func (c Claims) grantsNothing() bool { return len(c.Publish) == 0 && len(c.Subscribe) == 0 }

// within reports what of c a scope does not allow. A nil scope allows all.
func (c Claims) within(scope *Claims) error {
	if scope == nil {
		return nil
	}
	for _, role := range []struct {
		name       string
		ours, most api.Patterns
	}{{"publish", c.Publish, scope.Publish}, {"subscribe", c.Subscribe, scope.Subscribe}} {
		// Both are compared as full paths: their roots may differ.
		ours, err := role.ours.Under(c.Root)
		if err != nil {
			return err
		}
		most, err := role.most.Under(scope.Root)
		if err != nil {
			return err
		}
		if !most.Covers(ours) {
			return fmt.Errorf("the key's tokens may %s %v, and this one would %v", role.name, most, ours)
		}
	}
	return nil
}

// access reads what is granted. Strict: put and get are lists; else each may be
// one string.
func (o object) access(bare bool) (Claims, error) {
	var c Claims
	root, err := o.text("root")
	if err != nil {
		return c, err
	}
	c.Root = api.BroadcastPath(root)
	has := func(name string) bool { _, ok := o[name]; return ok }
	// A verifier that knows only put and get would grant less, or something else,
	// by the same token.
	if (has("put") || has("get")) && (has("publish") || has("subscribe")) {
		return c, errors.New("put and get are mixed with publish and subscribe")
	}
	for name, to := range map[string]*api.Patterns{"put": &c.Publish, "get": &c.Subscribe} {
		if !has(name) {
			continue
		}
		if *to, err = o.subtrees(name, bare); err != nil {
			return c, err
		}
	}
	for name, to := range map[string]*api.Patterns{"publish": &c.Publish, "subscribe": &c.Subscribe} {
		if !has(name) {
			continue
		}
		texts, err := o.texts(name)
		if err != nil {
			return c, err
		}
		for _, text := range texts {
			*to = append(*to, api.Pattern(text))
		}
	}
	return c.canonical()
}

// subtrees reads paths, each of which stands for all below it too.
func (o object) subtrees(name string, bare bool) (api.Patterns, error) {
	paths, err := o.texts(name)
	if err != nil && bare {
		var path string
		path, err = o.text(name)
		paths = []string{path}
	}
	if err != nil {
		return nil, errType(name, "a list of paths")
	}
	var patterns api.Patterns
	for _, path := range paths {
		if strings.Contains(path, "*") {
			return nil, fmt.Errorf("%s contains *, which only patterns may", name)
		}
		patterns = append(patterns, api.Pattern(api.BroadcastPath(path).Clean().Join("**")))
	}
	return patterns, nil
}

// parseClaims reads the payload of a token.
func parseClaims(payload []byte) (Claims, error) {
	o, err := parseObject(payload)
	if err != nil {
		return Claims{}, fmt.Errorf("the payload %w", err)
	}
	for name := range o {
		switch name {
		// Registered claims (RFC 7519, section 4.1) that say who and when.
		// aud is not among them: it says that the token is for somebody, and
		// nobody here knows whether that is us.
		case "exp", "nbf", "iat", "iss", "sub", "jti":
		default:
			if !slices.Contains(accessMembers, name) {
				return Claims{}, fmt.Errorf("claim %q is unknown, and might narrow what is granted", name)
			}
		}
	}
	c, err := o.access(true)
	if err != nil {
		return Claims{}, fmt.Errorf("claims: %w", err)
	}
	for name, to := range map[string]*time.Time{"exp": &c.Expires, "nbf": &c.NotBefore, "iat": &c.IssuedAt} {
		switch seconds, there, err := o.integer(name); {
		case err != nil:
			return Claims{}, fmt.Errorf("claims: %w", err)
		case there:
			*to = time.Unix(seconds, 0)
		}
	}
	if c.grantsNothing() {
		return Claims{}, errors.New("it grants nothing")
	}
	return c, nil
}

// validAt reports why c does not hold at a time.
func (c Claims) validAt(now time.Time) error {
	switch {
	case !c.Expires.IsZero() && !c.Expires.After(now):
		return fmt.Errorf("it has expired at %s", c.Expires.UTC().Format(time.RFC3339))
	case c.NotBefore.After(now):
		return fmt.Errorf("it is not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
	default:
		return nil
	}
}

// members returns what is granted as JSON has it: as put and get if every
// pattern is a path and all below it, since older verifiers know these alone.
func (c Claims) members() members {
	m := members{Root: string(c.Root)}
	put, ok := trees(c.Publish)
	get, too := trees(c.Subscribe)
	if ok && too {
		m.Put, m.Get = put, get
	} else {
		m.Publish, m.Subscribe = c.Publish, c.Subscribe
	}
	return m
}

// members are the claims in the order in which they are written.
type members struct {
	Root      string       `json:"root,omitempty"`
	Put       []string     `json:"put,omitempty"`
	Get       []string     `json:"get,omitempty"`
	Publish   api.Patterns `json:"publish,omitempty"`
	Subscribe api.Patterns `json:"subscribe,omitempty"`
	Exp       int64        `json:"exp,omitempty"`
	Nbf       int64        `json:"nbf,omitempty"`
	Iat       int64        `json:"iat,omitempty"`
}

// trees returns the paths of patterns that are paths with all below them, and
// whether all of them are.
func trees(patterns api.Patterns) ([]string, bool) {
	var paths []string
	for _, p := range patterns {
		path, ok := strings.CutSuffix("/"+string(p), "/**")
		if !ok || strings.Contains(path, "*") {
			return nil, false
		}
		paths = append(paths, strings.TrimPrefix(path, "/"))
	}
	return paths, true
}

// payload returns the claims as a token has them.
func (c Claims) payload() ([]byte, error) {
	m := c.members()
	for to, t := range map[*int64]time.Time{&m.Exp: c.Expires, &m.Nbf: c.NotBefore, &m.Iat: c.IssuedAt} {
		if t.IsZero() {
			continue
		}
		// omitempty would leave it out, and a token without exp never ends.
		if *to = t.Unix(); *to == 0 {
			return nil, fmt.Errorf("%v is the one time that would be left out", t)
		}
	}
	return marshal(m)
}

// marshal encodes v without replacing characters that HTML would need to
// escape.
func marshal(v any) ([]byte, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}
