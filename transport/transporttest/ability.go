package transporttest

import (
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// An Ability is something that not every implementation can do.
type Ability string

// The abilities, named after the interface or field that shows them.
const (
	Datagrams  Ability = "transport.DatagramConn" // of a connection
	Statistics Ability = "transport.StatsConn"    // of a connection
	CarriesURL Ability = "State.CarriesURL"       // of a connection
	TryWrites  Ability = "transport.TryWriter"    // of the streams that an end opens
	Priorities Ability = "transport.Prioritizer"  // of the streams that an end opens
	Targets    Ability = "transport.TargetDialer" // of a dialer
	Closing    Ability = "io.Closer"              // of a dialer
)

// shown has a function for each ability that tells whether a value has it.
// It is a table, so that an ability that is added here is also looked for where
// Options do not name it.
var shown = map[Ability]func(v any) bool{
	Datagrams:  is[transport.DatagramConn],
	Statistics: is[transport.StatsConn],
	CarriesURL: func(v any) bool { return v.(transport.Conn).State().CarriesURL },
	TryWrites:  is[transport.TryWriter],
	Priorities: is[transport.Prioritizer],
	Targets:    is[transport.TargetDialer],
	Closing:    is[io.Closer],
}

// is tells whether v, or what it wraps, is a T.
func is[T any](v any) bool {
	_, ok := transport.As[T](v)
	return ok
}

// as returns v as a T. It fails the test if v is not one, although Options
// list the ability.
func as[T any](t testing.TB, v any) T {
	t.Helper()
	able, ok := transport.As[T](v)
	if !ok {
		t.Fatalf("%T is no %v, which Options name", v, reflect.TypeFor[T]())
	}
	return able
}

// has tells whether an ability is listed. The empty ability always is.
func has(named []Ability, a Ability) bool { return a == "" || slices.Contains(named, a) }

// report fails t for each of the abilities could that v has although they are
// not listed, or lacks although they are. field is the field of Options that
// lists them.
func report(t testing.TB, field string, named []Ability, v any, could ...Ability) {
	t.Helper()
	for _, a := range could {
		// Both are failures: a promise that is not kept, and one that nobody
		// would check.
		switch {
		case has(named, a) && !shown[a](v):
			t.Errorf("%T is no %s, which Options.%s names", v, a, field)
		case !has(named, a) && shown[a](v):
			t.Errorf("%T is a %s, which Options.%s does not name: its cases do not run", v, a, field)
		}
	}
}

// reportOf reports the abilities of both ends of a pair and of their streams,
// which should be those that are listed, except without.
func (o Options) reportOf(t *testing.T, pair func(*testing.T) (client, server transport.Conn), without ...Ability) {
	client, server := open(t, pair)
	for _, end := range []struct {
		field      string
		named      []Ability
		conn, peer transport.Conn
	}{{"Client", o.Client, client, server}, {"Server", o.Server, server, client}} {
		named := slices.DeleteFunc(slices.Clone(end.named), func(a Ability) bool { return slices.Contains(without, a) })
		report(t, end.field, named, end.conn, Datagrams, Statistics, CarriesURL)
		// The abilities of a stream may depend on its kind, so both kinds are
		// looked at.
		w, _ := uni(t, end.conn, end.peer)
		report(t, end.field, named, w, TryWrites, Priorities)
		s, _ := bidi(t, end.conn, end.peer)
		report(t, end.field, named, s, TryWrites, Priorities)
	}
}
