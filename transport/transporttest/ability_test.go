package transporttest

import (
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// A plain is a connection that has no ability except statistics and the URL.
type plain struct {
	transport.Conn
	transport.StatsConn
}

func (plain) State() transport.State { return transport.State{CarriesURL: true} }

// TestReport checks that a missing ability fails, and one that is not listed
// too.
func TestReport(t *testing.T) {
	could := []Ability{Datagrams, Statistics, CarriesURL}
	for name, c := range map[string]struct {
		named []Ability
		fails bool
	}{
		"as it is":         {[]Ability{Statistics, CarriesURL, TryWrites}, false},
		"one is missing":   {[]Ability{Statistics, CarriesURL, Datagrams}, true},
		"one is not named": {[]Ability{Statistics}, true},
		"none is named":    {nil, true},
	} {
		r := &recorder{TB: t}
		report(r, "Client", c.named, plain{}, could...)
		if r.failed != c.fails {
			t.Errorf("%s: failed: %t, want %t", name, r.failed, c.fails)
		}
	}
}

// TestCasesOfAbilities checks that only the cases of listed abilities run.
func TestCasesOfAbilities(t *testing.T) {
	ran := 0
	cases := []connCase{
		{name: "of all", symmetric: true},
		{name: "of one end", a: TryWrites},
		{name: "of both", a: Datagrams, b: Datagrams},
		{name: "of neither", symmetric: true, a: Statistics, b: Statistics},
	}
	for i := range cases {
		cases[i].run = func(*testing.T, transport.Conn, transport.Conn) { ran++ }
	}
	o := Options{Client: []Ability{Datagrams, TryWrites}, Server: []Ability{Datagrams, Statistics}}
	o.runAll(t, cases, func(*testing.T) (client, server transport.Conn) { return quiet{}, quiet{} })
	if ran != 1+1+2 {
		t.Errorf("%d cases ran, want 4", ran)
	}
}

// A quiet is a connection that can only be closed.
type quiet struct{ transport.Conn }

func (quiet) CloseWithError(uint64, string) error { return nil }
