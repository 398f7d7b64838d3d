package transporttest

import (
	"reflect"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// stateCases check what both ends tell about their connection.
var stateCases = []connCase{
	{name: "both sides know the protocol, the transport and the addresses", symmetric: true, run: testState},
	{name: "the server knows the URL that the binding carries", symmetric: true, a: CarriesURL, b: CarriesURL, run: testStateURL},
	{name: "the state outlives the connection unchanged", run: testStateStays},
}

// testState checks what sessions and logs rely on being there at both ends.
func testState(t *testing.T, client, server transport.Conn) {
	c, s := client.State(), server.State()
	if c.Protocol == "" || c.Protocol != s.Protocol {
		t.Errorf("protocols are %q and %q", c.Protocol, s.Protocol)
	}
	if c.Transport == "" || c.Transport != s.Transport {
		t.Errorf("transports are %q and %q", c.Transport, s.Transport)
	}
	for _, st := range []transport.State{c, s} {
		if st.Local == nil || st.Remote == nil {
			t.Errorf("addresses are %v and %v", st.Local, st.Remote)
		}
	}
	// It is a property of the binding: with different answers one end would send
	// the path in SETUP and the other not look for it there.
	if c.CarriesURL != s.CarriesURL {
		t.Errorf("CarriesURL is %t at the client and %t at the server", c.CarriesURL, s.CarriesURL)
	}
}

// testStateURL checks that path and query arrive as they were dialled, escapes
// included: the path is the session's root, and the query may have a token.
func testStateURL(t *testing.T, client, server transport.Conn) {
	c, s := client.State(), server.State()
	if c.URL == nil || s.URL == nil {
		t.Fatalf("URLs are %v and %v", c.URL, s.URL)
	}
	if c.URL.EscapedPath() != s.URL.EscapedPath() || c.URL.RawQuery != s.URL.RawQuery {
		t.Errorf("the client asked for %q, the server knows %q", c.URL.RequestURI(), s.URL.RequestURI())
	}
}

// testStateStays checks that a program can still log about whom a connection was when
// it has ended.
func testStateStays(t *testing.T, a, b transport.Conn) {
	before := a.State()
	do(t, a.CloseWithError(0, ""))
	wantCause(t, b.Context())
	after := a.State()
	// What TLS tells has functions in it, which DeepEqual never takes for equal.
	before.TLS, after.TLS = nil, nil
	if !reflect.DeepEqual(before, after) {
		t.Errorf("the state was %+v and is %+v", before, after)
	}
}
