package transport

import (
	"io"
	"reflect"
	"sync"
)

// As returns what v can do besides, as a T: v itself if it is a T, or else what
// v wraps. T is an interface such as [Prioritizer], and v a connection, a
// stream or a dialer.
//
// A wrapper has a method Unwrap, which returns the [Conn], [Stream],
// [SendStream], [ReceiveStream] or [Dialer] that it wraps. Unwrap returns the
// same each time, does not block, and may be called at any time by any
// goroutine. As looks through wrappers for abilities that no data passes
// through, as priorities and statistics. A method that takes or returns bytes,
// a reader, a writer or a connection would pass the wrapper by, so a wrapper has
// to forward those by itself, and As does not find them below one: [TryWriter],
// [DatagramConn] and [TargetDialer]. Nor does it find a T that is not an
// interface.
//
//	type counted struct {
//		transport.Conn
//		…
//	}
//
//	func (c *counted) Unwrap() transport.Conn { return c.Conn }
//
// A look-up costs some ten nanoseconds, and a few times as much through a
// wrapper. It allocates nothing, except for the first of a T through a wrapper.
func As[T any](v any) (T, bool) {
	able, ok := v.(T)
	if ok {
		return able, true
	}
	below := unwrap(v)
	if below == nil || passesData(reflect.TypeFor[T]()) {
		return able, false
	}
	for ; below != nil; below = unwrap(below) {
		if able, ok = below.(T); ok {
			break
		}
	}
	return able, ok
}

// unwrap returns what v wraps; nil if it is no wrapper.
func unwrap(v any) any {
	switch w := v.(type) {
	case interface{ Unwrap() SendStream }:
		return w.Unwrap()
	case interface{ Unwrap() ReceiveStream }:
		return w.Unwrap()
	case interface{ Unwrap() Stream }:
		return w.Unwrap()
	case interface{ Unwrap() Conn }:
		return w.Unwrap()
	case interface{ Unwrap() Dialer }:
		return w.Unwrap()
	default:
		return nil
	}
}

// passesData tells whether data would pass a wrapper by if an ability was found
// below it. It keeps its answers, since reflection costs more than all the rest
// of a look-up.
func passesData(ability reflect.Type) bool {
	if known, ok := abilitiesKnown.Load(ability); ok {
		return known.(bool)
	}
	passes := hasData(ability)
	abilitiesKnown.Store(ability, passes)
	return passes
}

// abilitiesKnown holds the answers of passesData, by type. A program looks for few.
var abilitiesKnown sync.Map

// hasData tells whether a method of an ability takes or returns data, or what
// gives access to data.
func hasData(ability reflect.Type) bool {
	if ability.Kind() != reflect.Interface {
		return true
	}
	for m := range ability.Methods() {
		for in := range m.Type.Ins() {
			if isData(in) {
				return true
			}
		}
		for out := range m.Type.Outs() {
			if isData(out) {
				return true
			}
		}
	}
	return false
}

// isData tells whether values of a type are data, or give access to data.
func isData(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice: // also of slices, for gathered writes
		e := t.Elem()
		return e.Kind() == reflect.Uint8 || e.Kind() == reflect.Slice && e.Elem().Kind() == reflect.Uint8
	case reflect.Pointer:
		return t.Elem().Kind() == reflect.Slice && isData(t.Elem())
	case reflect.Interface:
		return t.Implements(readerType) || t.Implements(writerType) || t.Implements(connType)
	default:
		return false
	}
}

var (
	readerType = reflect.TypeFor[io.Reader]()
	writerType = reflect.TypeFor[io.Writer]()
	connType   = reflect.TypeFor[Conn]()
)
