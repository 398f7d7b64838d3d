package data

import (
	"bytes"
	"encoding/json"
)

// An encoder writes values as compact JSON, into memory that it uses again.
type encoder struct {
	b bytes.Buffer
	e *json.Encoder
}

// encode returns the text of a value, which is valid until the next call.
func (e *encoder) encode(v any) ([]byte, error) {
	if e.e == nil {
		e.e = json.NewEncoder(&e.b)
		e.e.SetEscapeHTML(false)
	}
	e.b.Reset()
	if err := e.e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(e.b.Bytes(), []byte("\n")), nil
}
