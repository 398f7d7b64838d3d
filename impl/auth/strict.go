package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What decides on access is read strictly, since two programs that read it
// differently may be played off against each other: names in their exact case,
// none of them twice, and values of their type alone. encoding/json takes "Root"
// for "root", the last of two, null for nothing, and repairs text.

// An object has the members of a JSON object.
type object map[string]json.RawMessage

// parseObject reads a JSON object that is all of data.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8")
	}
	if !json.Valid(data) {
		return nil, errors.New("is not JSON")
	}
	if data = trim(data); data[0] != '{' {
		return nil, errors.New("is not a JSON object")
	}
	if err := checkNames(data); err != nil {
		return nil, err
	}
	var members object
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, errors.New("is not JSON")
	}
	return members, nil
}

// checkNames reports a name that is twice in an object, at any depth of valid
// JSON.
func checkNames(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	// One level for each object and array that is open at the moment.
	type level struct {
		names map[string]bool // nil in an array
		value bool            // a value comes, rather than a name
	}
	var levels []level
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errors.New("is not JSON")
		}
		var in *level
		if len(levels) > 0 {
			in = &levels[len(levels)-1]
		}
		switch token {
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
			continue
		}
		if in != nil && in.names != nil {
			if name, ok := token.(string); ok && !in.value {
				if in.names[name] {
					return fmt.Errorf("has %q twice", name)
				}
				in.names[name], in.value = true, true
				continue
			}
			in.value = false
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: map[string]bool{}})
		case json.Delim('['):
			levels = append(levels, level{})
		}
	}
}

// errType reports a value of another type than the one wanted. It does not
// tell the value, which may be a secret.
func errType(name, want string) error { return fmt.Errorf("%s is not %s", name, want) }

// text returns a member that is a string; "" if it is absent.
func (o object) text(name string) (string, error) {
	raw, ok := o[name]
	if !ok {
		return "", nil
	}
	return parseText(name, raw)
}

// parseText reads a string. name is what an error calls it.
func parseText(name string, raw json.RawMessage) (string, error) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", errType(name, "a string")
	}
	// Half of a surrogate pair, which is no text, comes out as U+FFFD.
	if strings.ContainsRune(s, utf8.RuneError) && !bytes.ContainsRune(raw, utf8.RuneError) && !bytes.Contains(bytes.ToLower(raw), []byte(`\ufffd`)) {
		return "", errType(name, "text")
	}
	return s, nil
}

// texts returns a member that is a list of strings; nil if it is absent.
func (o object) texts(name string) ([]string, error) {
	raw, ok := o[name]
	if !ok {
		return nil, nil
	}
	var values []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &values) != nil {
		return nil, errType(name, "a list of strings")
	}
	texts := make([]string, len(values))
	for i, value := range values {
		var err error
		if texts[i], err = parseText(name, value); err != nil {
			return nil, errType(name, "a list of strings")
		}
	}
	return texts, nil
}

// maxInteger is what larger integers count as, and -maxInteger smaller ones: as
// seconds from 1970 they are times still.
const maxInteger = 1<<62 - 1

// integer returns a member that is an integer of 64 bits.
func (o object) integer(name string) (n int64, there bool, err error) {
	raw, ok := o[name]
	if !ok {
		return 0, false, nil
	}
	// Not by way of a float64, which would round large ones. 1e3 and 1.0 are no
	// integers: not every program reads them as such.
	n, err = strconv.ParseInt(string(raw), 10, 64)
	if err != nil || string(raw) == "-0" {
		return 0, false, errType(name, "an integer")
	}
	return max(-maxInteger, min(n, maxInteger)), true, nil
}

// flag returns a member that is true or false; false if it is absent.
func (o object) flag(name string) (bool, error) {
	switch raw, ok := o[name]; {
	case !ok || string(raw) == "false":
		return false, nil
	case string(raw) == "true":
		return true, nil
	default:
		return false, errType(name, "true or false")
	}
}

// without removes the members that are null, which stand for absent ones.
func (o object) without(null ...string) {
	for _, name := range null {
		if string(o[name]) == "null" {
			delete(o, name)
		}
	}
}

// trim removes the white space of JSON around data.
func trim(data []byte) []byte { return bytes.Trim(data, " \t\r\n") }

// decode64 decodes base64url without padding. Unlike that of encoding/base64,
// the text may contain no line breaks, and no bits beyond the last byte.
func decode64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("is not base64url")
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("is not base64url")
	}
	return data, nil
}

// encode64 encodes as tokens have it: base64url without padding (RFC 7515, section
// 2).
func encode64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// unpad removes the padding of base64url, where it is complete.
func unpad(s string) string {
	if len(s)%4 != 0 {
		return s
	}
	return strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
}

// readAll reads at most limit bytes; more are an error.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	// One byte more tells that there is more, without reading all of it.
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("has more than %d bytes", limit)
	}
	return data, err
}
