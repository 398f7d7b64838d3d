package redial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

// An at is a session of which only the state is used.
type at struct {
	api.Session
	state api.SessionState
}

func (s at) State() api.SessionState { return s.state }

// anyHost returns a policy that allows what a policy can allow; names resolve
// to addr.
func anyHost(addr string) Policy {
	return Policy{
		Redirect: func(*url.URL, *url.URL) bool { return true },
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			if addr == "" {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{netip.MustParseAddr("8.8.4.4"), netip.MustParseAddr(addr)}, nil
		},
	}.withDefaults()
}

func TestRedirect(t *testing.T) {
	const home = "https://user:pass@a.example.com/root?jwt=secret"
	for _, c := range []struct {
		name, from, uri string
		policy          Policy
		want            string
		err             error
	}{
		{"a path on the same host", home, "/other", Policy{}, "https://user:pass@a.example.com/other?jwt=secret", nil},
		{"the same place in full", home, "https://A.example.com:443", Policy{}, "https://user:pass@A.example.com:443/root?jwt=secret", nil},
		{"a query of its own", home, "https://a.example.com/root?jwt=new", Policy{}, "https://user:pass@a.example.com/root?jwt=new", nil},
		{"another port", home, "https://a.example.com:4443/root", Policy{}, "https://a.example.com:4443/root", nil},
		{"another scheme, as secure", home, "moqt://a.example.com/root", Policy{}, "moqt://a.example.com/root", nil},
		{"less secure: http", home, "http://a.example.com/", Policy{}, "", errLessSecure},
		{"less secure: ws", home, "ws://a.example.com/", Policy{}, "", errLessSecure},
		{"less secure: tcp, whatever the hook", home, "tcp://b.example.com/", anyHost("8.8.8.8"), "", errLessSecure},
		{"more secure", "ws://a.example.com/", "wss://a.example.com/", Policy{}, "wss://a.example.com/", nil},
		{"no moq-lite", home, "file:///etc/passwd", anyHost("8.8.8.8"), "", errScheme},
		{"script", home, "javascript:alert(1)", anyHost("8.8.8.8"), "", errScheme},
		{"no host", home, "https:///x", Policy{}, "", errNoHost},
		{"malformed", home, "https://a.example.com/%zz", Policy{}, "", errMalformed},
		{"credentials", home, "https://x:y@a.example.com/", Policy{}, "", errUserInfo},
		{"another host", home, "https://b.example.com/", Policy{}, "", errOtherHost},
		{"a host that begins as ours", home, "https://a.example.com.evil.org/", Policy{}, "", errOtherHost},
		{"another host, allowed", home, "https://b.example.com/x", anyHost("8.8.8.8"), "https://b.example.com/x", nil},
		{"without a path", home, "https://b.example.com", anyHost("8.8.8.8"), "https://b.example.com/root", nil},
		{"by the authority alone", home, "//b.example.com/x", anyHost("8.8.8.8"), "https://b.example.com/x", nil},
		{"home again", "https://b.example.com/x", "https://a.example.com/root", Policy{}, home, nil},
		{"loopback", home, "https://127.0.0.1/", anyHost("8.8.8.8"), "", errNotPublic},
		{"loopback, v6", home, "https://[::1]/", anyHost("8.8.8.8"), "", errNotPublic},
		{"loopback, mapped", home, "https://[::ffff:127.0.0.1]/", anyHost("8.8.8.8"), "", errNotPublic},
		{"loopback, NAT64", home, "https://[64:ff9b::7f00:1]/", anyHost("8.8.8.8"), "", errNotPublic},
		{"loopback, 6to4", home, "https://[2002:7f00:1::]/", anyHost("8.8.8.8"), "", errNotPublic},
		{"loopback, decimal", home, "https://2130706433/", anyHost("8.8.8.8"), "", errNotPublic},
		{"loopback, short", home, "https://127.1/", anyHost("8.8.8.8"), "", errNotPublic},
		{"loopback, hexadecimal", home, "https://0x7f.0x1/", anyHost("8.8.8.8"), "", errNotPublic},
		{"private", home, "https://10.1.2.3/", anyHost("8.8.8.8"), "", errNotPublic},
		{"private, v6", home, "https://[fd00:ec2::254]/", anyHost("8.8.8.8"), "", errNotPublic},
		{"shared", home, "https://100.100.100.200/", anyHost("8.8.8.8"), "", errNotPublic},
		{"link-local: metadata", home, "https://169.254.169.254/", anyHost("8.8.8.8"), "", errNotPublic},
		{"link-local, v6", home, "https://[fe80::1%25eth0]/", anyHost("8.8.8.8"), "", errNotPublic},
		{"unspecified", home, "https://0.0.0.0/", anyHost("8.8.8.8"), "", errNotPublic},
		{"multicast", home, "https://224.0.0.1/", anyHost("8.8.8.8"), "", errNotPublic},
		{"localhost", home, "https://localhost/", anyHost("8.8.8.8"), "", errNotPublic},
		{"below localhost", home, "https://x.localhost./", anyHost("8.8.8.8"), "", errNotPublic},
		{"metadata by name", home, "https://metadata.google.internal/", anyHost("8.8.8.8"), "", errNotPublic},
		{"a name without a dot", home, "https://metadata/", anyHost("8.8.8.8"), "", errNotPublic},
		{"a name of a private address", home, "https://b.example.com/", anyHost("192.168.0.1"), "", errNotPublic},
		{"a name of loopback", home, "https://b.example.com/", anyHost("::1"), "", errNotPublic},
		{"from a private host to another", "https://10.0.0.1/", "https://10.0.0.2/", anyHost("8.8.8.8"), "https://10.0.0.2/", nil},
		{"from a development machine", "http://localhost:4443/", "http://127.0.0.1:4444/", anyHost("8.8.8.8"), "http://127.0.0.1:4444/", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(&redialer{policy: c.policy.withDefaults()}, home, nil)
			got, err := s.redirect(newLink(s, at{}, c.from), c.uri)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s leads to %q, %v; want %q, %v", c.uri, got, err, c.want, c.err)
			}
		})
	}
}

// TestRedirectFromPrivateName redirects within a private network by names: the
// address that was dialled shows that the network is private.
func TestRedirectFromPrivateName(t *testing.T) {
	s := newSession(&redialer{policy: anyHost("10.0.0.9")}, "https://a.example.com", nil)
	inside := at{state: api.SessionState{Remote: &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}}}
	if got, err := s.redirect(newLink(s, inside, s.home), "https://b.example.com/"); err != nil || got != "https://b.example.com/" {
		t.Errorf("led to %q, %v", got, err)
	}
	outside := at{state: api.SessionState{Remote: &net.UDPAddr{IP: net.IPv4(8, 8, 8, 8), Port: 443}}}
	if _, err := s.redirect(newLink(s, outside, s.home), "https://b.example.com/"); !errors.Is(err, errNotPublic) {
		t.Errorf("led into a private network: %v", err)
	}
}

// TestHookSeesNoSecrets checks what the function Redirect is passed.
func TestHookSeesNoSecrets(t *testing.T) {
	policy := anyHost("8.8.8.8")
	policy.Redirect = func(from, to *url.URL) bool {
		if from.String() != "https://a.example.com/root" || to.String() != "https://b.example.com/x" {
			t.Errorf("shown %v and %v", from, to)
		}
		return true
	}
	s := newSession(&redialer{policy: policy}, "https://u:p@a.example.com/root?jwt=a", nil)
	if got, err := s.redirect(newLink(s, at{}, s.home), "https://b.example.com/x?jwt=b"); err != nil || got != "https://b.example.com/x?jwt=b" {
		t.Errorf("led to %q, %v", got, err)
	}
}

func TestMovesAreBounded(t *testing.T) {
	var m moves
	now := time.Unix(0, 0)
	for i := range maxMoves {
		if !m.allowed(now.Add(time.Duration(i) * time.Second)) {
			t.Fatalf("move %d is refused", i)
		}
	}
	if m.allowed(now.Add(10 * time.Second)) {
		t.Error("one move too many")
	}
	if !m.allowed(now.Add(movesIn)) {
		t.Error("refused for ever")
	}
}
