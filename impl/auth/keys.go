package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Keys have the keys that tokens are verified with: one of [File], [Dir], [Set]
// and [URL], or an application's own. Any number of goroutines may use them.
type Keys interface {
	// Key returns the key for a token whose header names kid; "" if it names
	// none. An error that matches [api.ErrUnauthorized] says that there is no
	// such key; any other, that it could not be found out.
	Key(ctx context.Context, kid string) (*Key, error)
}

// A set is a list of keys.
type set []*Key

// Set returns a set of keys, of which a token's kid selects the first that has
// it. A token without kid is verified with the key of a set that has just one.
func Set(keys ...*Key) Keys { return set(keys) }

// ParseSet reads a JSON Web Key Set, {"keys":[…]}. One bad key spoils it.
func ParseSet(data []byte) (Keys, error) {
	s, err := parseSet(data)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	return s, nil
}

// parseSet is ParseSet; an empty list is a set, by which nothing is verified.
func parseSet(data []byte) (set, error) {
	o, err := parseObject(trim(data))
	if err != nil {
		return nil, fmt.Errorf("it %w", err)
	}
	var list []json.RawMessage
	if raw := o["keys"]; len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, errType("keys", "a list")
	}
	s := set{}
	for i, raw := range list {
		members, err := parseObject(raw)
		if err != nil {
			return nil, fmt.Errorf("key %d %w", i, err)
		}
		k, err := members.key()
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		s = append(s, k)
	}
	return s, nil
}

// Key implements Keys.
func (s set) Key(_ context.Context, kid string) (*Key, error) {
	if kid == "" {
		if len(s) == 1 {
			return s[0], nil
		}
		return nil, refuse("the token names no key, and there are %d", len(s))
	}
	for _, k := range s {
		if k.id == kid {
			return k, nil
		}
	}
	return nil, errUnknownKey(kid)
}

// errUnknownKey tells the id only where it can be no secret, and no way to forge
// a log.
func errUnknownKey(kid string) error {
	if !validID(kid) {
		return refuse("the token names a key by what is no id")
	}
	return refuse("there is no key %q", kid)
}

// alone is one key, whatever tokens call it.
type alone struct{ key *Key }

// Key implements Keys.
func (a alone) Key(context.Context, string) (*Key, error) { return a.key, nil }

// parseAny reads a set, or one key, which then is the only one of a set.
func parseAny(data []byte) (Keys, error) {
	if text := trim(data); len(text) > 0 && text[0] == '{' {
		o, err := parseObject(text)
		if err != nil {
			return nil, fmt.Errorf("the key set %w", err)
		}
		if _, ok := o["keys"]; ok {
			return ParseSet(data)
		}
	}
	k, err := ParseKey(data)
	if err != nil {
		return nil, err
	}
	return set{k}, nil
}

// parseAlone reads the one key of a file.
func parseAlone(data []byte) (Keys, error) {
	k, err := ParseKey(data)
	if err != nil {
		return nil, err
	}
	return alone{k}, nil
}

// directoryKey returns the kid of a file of a directory of keys.
func directoryKey(name string) (kid string, ok bool) {
	kid, ok = strings.CutSuffix(name, keySuffix)
	return kid, ok && validID(kid)
}

// keySuffix ends the names of the files in a directory of keys.
const keySuffix = ".jwk"
