//go:build unix

package interop_test

import (
	"slices"
	"strings"
	"testing"
)

// A client is another implementation that connects to a server.
type client struct {
	name     string
	run      func(t *testing.T, args ...string) *process
	schemes  []string
	versions []string
	restrict bool // takes --version
	pin      bool // trusts a certificate only by its fingerprint
}

var clients = []client{
	{name: "node", run: node, schemes: []string{"https", "ws"}, versions: javaScript, restrict: true},
	{name: "python", run: python, schemes: allSchemes, versions: versions},
	{name: "chromium", run: chromium, schemes: []string{"https", "ws"}, versions: javaScript, restrict: true, pin: true},
}

// start runs the client until the scenario of its role has ended. The address
// may have a path.
func (c client) start(t *testing.T, s side, addr, role string, rest ...string) *process {
	t.Helper()
	host, _, _ := strings.Cut(addr, "/")
	args := append([]string{role, "--url", s.scheme + "://" + addr, "--timeout", "40"}, pattern(rest...)...)
	if c.pin {
		args = append(args, "--fingerprint", fingerprintAt(t, host))
	} else {
		args = append(args, "--insecure")
	}
	if c.restrict && s.version != "" {
		args = append(args, "--version", s.version)
	}
	if s.scheme == "https" {
		args = append(args, "--transport", "webtransport")
	}
	return c.run(t, args...)
}

// seesEnd reports whether the client sees the end of a track.
func (c client) seesEnd(s side) bool {
	return s.version == "" || !row{ourNode, c.name, s.scheme}.missesEnd(s.version)
}

// connected checks how a client has connected.
func (c client) connected(t *testing.T, p *process, s side) {
	t.Helper()
	if s.version == "" {
		s.version = c.versions[0]
	}
	s.connected(t, p, "connected")
}

// A relaying is a test of a client through a relay, with ours on the other
// side.
type relaying func(t *testing.T, c client, theirs, ours side, addr string)

// theySubscribe makes a client read what we publish.
func theySubscribe(t *testing.T, c client, theirs, ours side, addr string) {
	pub := ourPub(t, ours, addr)
	if !c.seesEnd(theirs) {
		sub := c.start(t, theirs, addr, "sub")
		c.connected(t, sub, theirs)
		sub.succeed()
		checkPattern(t, sub)
		pub.succeed()
		return
	}
	sub := c.start(t, theirs, addr, "sub", "--until-end")
	c.connected(t, sub, theirs)
	sub.expect("track_end")
	sub.succeed()
	checkPattern(t, sub)
	pub.succeed()
}

// theyPublish makes us read what a client publishes.
func theyPublish(t *testing.T, c client, theirs, ours side, addr string) {
	pub := c.start(t, theirs, addr, "pub", theirs.toItsEnd()...)
	c.connected(t, pub, theirs)
	ourSub(t, ours, addr, broadcast)
	pub.succeed()
}

// TestClientsOfOurRelay runs each client in each version and transport that it
// shares with us, and in the version that is negotiated if neither side
// restricts it.
func TestClientsOfOurRelay(t *testing.T) {
	for _, c := range clients {
		for _, scheme := range c.schemes {
			for _, version := range append([]string{""}, c.versions...) {
				theirs := side{scheme, version}
				each(t, c.name+" "+theirs.String(), func(t *testing.T, d direction) {
					addr, _ := ourRelay(t, version)
					d.test(t, c, theirs, side{d.ours, version}, addr)
					shown := d.shows
					if !c.seesEnd(theirs) {
						shown = slices.DeleteFunc(slices.Clone(shown), func(f string) bool { return f == "end" })
					}
					tried.add(t, ourNode, c.name, theirs, shown...)
				})
			}
		}
	}
}

// TestClientsOfMoqRelay runs each client in each version and transport, and
// ours in another version.
func TestClientsOfMoqRelay(t *testing.T) {
	for _, c := range clients {
		for _, scheme := range c.schemes {
			theirs := side{scheme, ""}
			for i, version := range versions {
				each(t, c.name+" "+theirs.String()+" with "+version, func(t *testing.T, d direction) {
					addr, _ := moqRelay(t)
					d.test(t, c, theirs, side{schemes[i%2], version}, addr)
				})
			}
		}
	}
}

// A direction says which side publishes.
type direction struct {
	name  string
	test  relaying
	ours  string   // the scheme of our own end
	shows []string // the features that the test shows
}

var directions = []direction{
	{"subscribes", theySubscribe, "moqt", []string{"subscribe", "end"}},
	{"publishes", theyPublish, "https", []string{"publish"}},
}

// each runs a test in both directions.
func each(t *testing.T, name string, f func(t *testing.T, d direction)) {
	for _, d := range directions {
		t.Run(name+" "+d.name, func(t *testing.T) {
			t.Parallel()
			f(t, d)
		})
	}
}

// A server is another implementation that we connect to.
type server struct {
	name     string
	run      func(t *testing.T, args ...string) *process
	versions []string
}

var servers = []server{
	{"node", nodeServer, javaScript},
	{"python", python, versions},
}

// start runs the server until the test's end.
func (s server) start(t *testing.T, role string, rest ...string) (addr string, p *process) {
	t.Helper()
	addr = freePort(t)
	p = s.run(t, append([]string{"server", "--listen", addr, "--role", role}, pattern(rest...)...)...)
	p.expect("ready")
	return addr, p
}

// TestServers makes our command line publish to and subscribe from each server,
// in each version and transport that it shares with us.
func TestServers(t *testing.T) {
	tests := []struct {
		name  string
		run   func(t *testing.T, srv server, s side)
		shows []string
	}{
		{"publishes", serverPublishes, []string{"announce", "subscribe", "end"}},
		{"subscribes", serverSubscribes, []string{"publish"}},
		{"echoes", serverEchoes, nil},
	}
	for _, srv := range servers {
		for _, scheme := range schemes {
			for _, version := range append([]string{""}, srv.versions...) {
				for _, test := range tests {
					s := side{scheme, version}
					t.Run(srv.name+" "+s.String()+" "+test.name, func(t *testing.T) {
						t.Parallel()
						test.run(t, srv, s)
						tried.add(t, ourClient, srv.name, s, test.shows...)
					})
				}
			}
		}
	}
}

// accepted checks what a server prints about our connection.
func (s server) accepted(t *testing.T, p *process, how side) {
	t.Helper()
	if how.version == "" {
		how.version = s.versions[0]
	}
	how.connected(t, p, "accepted")
}

func serverPublishes(t *testing.T, srv server, s side) {
	addr, p := srv.start(t, "pub", s.toItsEnd()...)
	ourSub(t, s, addr, broadcast)
	srv.accepted(t, p, s)
}

func serverSubscribes(t *testing.T, srv server, s side) {
	addr, p := srv.start(t, "sub", "--until-end", "--sessions", "1")
	ourPub(t, s, addr).succeed()
	srv.accepted(t, p, s)
	p.succeed()
	checkPattern(t, p)
}

// serverEchoes makes a server pass on what one session of ours publishes to
// another, which uses the other transport.
func serverEchoes(t *testing.T, srv server, s side) {
	addr, p := srv.start(t, "echo")
	pub := ourPub(t, s, addr)
	srv.accepted(t, p, s)
	// @moq/net loses what is published while it answers an ANNOUNCE_REQUEST.
	p.expect("announce")
	other := s
	other.scheme = schemes[1-slices.Index(schemes, s.scheme)]
	ourSub(t, other, addr, "echo/"+broadcast)
	pub.succeed()
}
