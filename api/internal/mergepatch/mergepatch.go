// Package mergepatch applies JSON merge patches (RFC 7396): a patch is an object
// that has what changes of a document, and null for what is taken out. Whoever
// follows a document over MoQ reads it in the first frame of a group, and its
// patches in the frames after that.
//
// A document is either JSON text, or its value as [Decode] returns it: nil,
// bool, [json.Number], string, []any or map[string]any. Numbers stay as they
// were written, however large or exact they are. All keys are ordinary. Text
// that is not UTF-8 becomes U+FFFD, as encoding/json has it.
package mergepatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// errNotJSON is all that is said of a text that is no JSON, apart from which.
var errNotJSON = errors.New("it is not JSON")

// Apply applies patch, a JSON text, to doc, a JSON text, and returns the text of
// the document after it: compact, with sorted keys. A patch that is no object
// replaces the whole document.
//
// The error says which of the two is not JSON. Neither is changed.
func Apply(doc, patch []byte) ([]byte, error) {
	target, err := Decode(doc)
	if err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	change, err := Decode(patch)
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	return Append(nil, Merge(target, change))
}

// Merge applies patch to target and returns the document after it. It changes
// the objects of target and may keep values of patch, so that neither is to be
// used after it.
func Merge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = make(map[string]any, len(changes))
	}
	for key, change := range changes {
		if change == nil {
			delete(object, key)
			continue
		}
		// What is new is merged too, into nothing: a null within it takes out
		// what is not there, and is no value.
		object[key] = Merge(object[key], change)
	}
	return object
}

// Decode returns the value of a JSON text. Of keys that an object has twice it
// takes the last.
func Decode(text []byte) (any, error) {
	if !json.Valid(text) {
		return nil, errNotJSON
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

// Append appends the JSON text of a value: compact, with sorted keys, and with
// <, > and & as they are.
func Append(dst []byte, v any) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return dst, err
	}
	return b.Bytes()[:b.Len()-1], nil // without the newline of Encode
}
