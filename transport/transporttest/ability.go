package transporttest

import (
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// An Ability is what not every implementation can do.
type Ability string

// The abilities, by the interface, or the field, that tells of them.
const (
	Datagrams  Ability = "transport.DatagramConn" // of a connection
	Statistics Ability = "transport.StatsConn"    // of a connection
	CarriesURL Ability = "State.CarriesURL"       // of a connection
	TryWrites  Ability = "transport.TryWriter"    // of the streams that an end opens
	Priorities Ability = "transport.Prioritizer"  // of the streams that an end opens
	Targets    Ability = "transport.TargetDialer" // of a dialer
	Closing    Ability = "io.Closer"              // of a dialer
)

// shown tells whether a value has an ability.
var shown = map[Ability]func(v any) bool{
	Datagrams:  is[transport.DatagramConn],
	Statistics: is[transport.StatsConn],
	CarriesURL: func(v any) bool { return v.(transport.Conn).State().CarriesURL },
	TryWrites:  is[transport.TryWriter],
	Priorities: is[transport.Prioritizer],
	Targets:    is[transport.TargetDialer],
	Closing:    is[io.Closer],
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// as is v as T, for a case that runs only where Options say that it is one.
func as[T any](t testing.TB, v any) T {
	t.Helper()
	able, ok := v.(T)
	if !ok {
		t.Fatalf("%T is no %v, which Options name", v, reflect.TypeFor[T]())
	}
	return able
}

// has tells whether an ability is among those named; none is had by all.
func has(named []Ability, a Ability) bool { return a == "" || slices.Contains(named, a) }

// report fails t where v, of what a field of Options names the abilities, has
// others of those that could be.
func report(t testing.TB, field string, named []Ability, v any, could ...Ability) {
	t.Helper()
	for _, a := range could {
		switch {
		case has(named, a) && !shown[a](v):
			t.Errorf("%T is no %s, which Options.%s names", v, a, field)
		case !has(named, a) && shown[a](v):
			t.Errorf("%T is a %s, which Options.%s does not name: its cases do not run", v, a, field)
		}
	}
}

func (o Options) testAbilities(t *testing.T) {
	client, server := open(t, o.Pair)
	for _, end := range []struct {
		field      string
		named      []Ability
		conn, peer transport.Conn
	}{{"Client", o.Client, client, server}, {"Server", o.Server, server, client}} {
		report(t, end.field, end.named, end.conn, Datagrams, Statistics, CarriesURL)
		w, _ := uni(t, end.conn, end.peer)
		report(t, end.field, end.named, w, TryWrites, Priorities)
		s, _ := bidi(t, end.conn, end.peer)
		report(t, end.field, end.named, s, TryWrites, Priorities)
	}
}
