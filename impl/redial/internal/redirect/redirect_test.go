package redirect_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/impl/redial/internal/redirect"
)

var errNotFound = errors.New("no such host")

// anyHost returns a policy that allows what a policy can allow; names resolve
// to a public address and addrs, or to nothing if there are none.
func anyHost(addrs ...string) redirect.Policy {
	return redirect.Policy{
		Allow: func(*url.URL, *url.URL) bool { return true },
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			if len(addrs) == 0 {
				return nil, errNotFound
			}
			found := []netip.Addr{netip.MustParseAddr("8.8.4.4")}
			for _, a := range addrs {
				found = append(found, netip.MustParseAddr(a))
			}
			return found, nil
		},
	}
}

func TestRefresh(t *testing.T) {
	const home, fresh = "https://a.example.com/root?jwt=old", "https://u:p@a.example.com/root?jwt=new"
	for _, c := range []struct{ name, to, fresh, want string }{
		{"another path", "https://a.example.com/other?jwt=old", fresh, "https://u:p@a.example.com/other?jwt=new"},
		{"a query of its own", "https://a.example.com/other?jwt=theirs", fresh, "https://a.example.com/other?jwt=theirs"},
		{"another origin", "https://a.example.com:4443/", fresh, "https://a.example.com:4443/"},
		{"another origin, with the same query", "https://b.example.com/?jwt=old", fresh, "https://b.example.com/?jwt=old"},
		{"home is elsewhere now", "https://a.example.com/other?jwt=old", "https://b.example.com/?jwt=new", "https://a.example.com/other"},
		{"malformed", "https://a.example.com/other?jwt=old", "%zz://", "https://a.example.com/other?jwt=old"},
	} {
		if got := redirect.Refresh(c.to, home, c.fresh); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestFollow(t *testing.T) {
	const home = "https://user:pass@a.example.com/root?jwt=secret"
	for _, c := range []struct {
		name, from, uri string
		policy          redirect.Policy
		want            string
		err             error
	}{
		{"a path on the same host", home, "/other", redirect.Policy{}, "https://user:pass@a.example.com/other?jwt=secret", nil},
		{"the same place in full", home, "https://A.example.com:443", redirect.Policy{}, "https://user:pass@A.example.com:443/root?jwt=secret", nil},
		{"a query of its own", home, "https://a.example.com/root?jwt=new", redirect.Policy{}, "https://user:pass@a.example.com/root?jwt=new", nil},
		{"another port", home, "https://a.example.com:4443/root", redirect.Policy{}, "https://a.example.com:4443/root", nil},
		{"another scheme, as secure", home, "moqt://a.example.com/root", redirect.Policy{}, "moqt://a.example.com/root", nil},
		{"less secure: http", home, "http://a.example.com/", redirect.Policy{}, "", redirect.ErrLessSecure},
		{"less secure: ws", home, "ws://a.example.com/", redirect.Policy{}, "", redirect.ErrLessSecure},
		{"less secure: tcp, whatever the hook", home, "tcp://b.example.com/", anyHost("8.8.8.8"), "", redirect.ErrLessSecure},
		{"more secure", "ws://a.example.com/", "wss://a.example.com/", redirect.Policy{}, "wss://a.example.com/", nil},
		{"no moq-lite", home, "file:///etc/passwd", anyHost("8.8.8.8"), "", redirect.ErrScheme},
		{"script", home, "javascript:alert(1)", anyHost("8.8.8.8"), "", redirect.ErrScheme},
		{"no host", home, "https:///x", redirect.Policy{}, "", redirect.ErrNoHost},
		{"malformed", home, "https://a.example.com/%zz", redirect.Policy{}, "", redirect.ErrMalformed},
		{"credentials", home, "https://x:y@a.example.com/", redirect.Policy{}, "", redirect.ErrUserInfo},
		{"another host", home, "https://b.example.com/", redirect.Policy{}, "", redirect.ErrOtherHost},
		{"a host that begins as ours", home, "https://a.example.com.evil.org/", redirect.Policy{}, "", redirect.ErrOtherHost},
		{"another host, allowed", home, "https://b.example.com/x", anyHost("8.8.8.8"), "https://b.example.com/x", nil},
		{"without a path", home, "https://b.example.com", anyHost("8.8.8.8"), "https://b.example.com/root", nil},
		{"by the authority alone", home, "//b.example.com/x", anyHost("8.8.8.8"), "https://b.example.com/x", nil},
		{"home again", "https://b.example.com/x", "https://a.example.com/root", redirect.Policy{}, home, nil},
		{"loopback", home, "https://127.0.0.1/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"loopback, v6", home, "https://[::1]/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"loopback, mapped", home, "https://[::ffff:127.0.0.1]/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"loopback, NAT64", home, "https://[64:ff9b::7f00:1]/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"loopback, 6to4", home, "https://[2002:7f00:1::]/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"loopback, decimal", home, "https://2130706433/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"loopback, short", home, "https://127.1/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"loopback, hexadecimal", home, "https://0x7f.0x1/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"private", home, "https://10.1.2.3/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"private, v6", home, "https://[fd00:ec2::254]/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"shared", home, "https://100.100.100.200/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"link-local: metadata", home, "https://169.254.169.254/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"link-local, v6", home, "https://[fe80::1%25eth0]/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"unspecified", home, "https://0.0.0.0/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"multicast", home, "https://224.0.0.1/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"localhost", home, "https://localhost/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"below localhost", home, "https://x.localhost./", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"metadata by name", home, "https://metadata.google.internal/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"a name without a dot", home, "https://metadata/", anyHost("8.8.8.8"), "", redirect.ErrNotPublic},
		{"a name of a private address", home, "https://b.example.com/", anyHost("192.168.0.1"), "", redirect.ErrNotPublic},
		{"a name of loopback", home, "https://b.example.com/", anyHost("::1"), "", redirect.ErrNotPublic},
		{"a name that is not found", home, "https://b.example.com/", anyHost(), "", errNotFound},
		{"from a private host to another", "https://10.0.0.1/", "https://10.0.0.2/", anyHost("8.8.8.8"), "https://10.0.0.2/", nil},
		{"from a development machine", "http://localhost:4443/", "http://127.0.0.1:4444/", anyHost("8.8.8.8"), "http://127.0.0.1:4444/", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := redirect.Follow(t.Context(), redirect.Request{URI: c.uri, From: c.from, Home: home}, c.policy)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s leads to %q, %v; want %q, %v", c.uri, got, err, c.want, c.err)
			}
		})
	}
}

// Within a private network a redirect may go on by names: the address that was
// dialled shows that the network is private.
func TestFollowFromAPrivateName(t *testing.T) {
	from := redirect.Request{URI: "https://b.example.com/", From: "https://a.example.com", Home: "https://a.example.com"}
	from.Remote = &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}
	if got, err := redirect.Follow(t.Context(), from, anyHost("10.0.0.9")); err != nil || got != "https://b.example.com/" {
		t.Errorf("led to %q, %v", got, err)
	}
	from.Remote = &net.UDPAddr{IP: net.IPv4(8, 8, 8, 8), Port: 443}
	if got, err := redirect.Follow(t.Context(), from, anyHost("10.0.0.9")); !errors.Is(err, redirect.ErrNotPublic) {
		t.Errorf("led into a private network: %q, %v", got, err)
	}
}

// A look-up that finds no address, and says no error, proves nothing.
func TestFollowToANameWithoutAddresses(t *testing.T) {
	p := anyHost()
	p.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, nil }
	r := redirect.Request{URI: "https://b.example.com/", From: "https://a.example.com", Home: "https://a.example.com"}
	if got, err := redirect.Follow(t.Context(), r, p); err == nil {
		t.Errorf("led to %q", got)
	}
}

func TestAllowSeesNoSecrets(t *testing.T) {
	p := anyHost("8.8.8.8")
	p.Allow = func(from, to *url.URL) bool {
		if from.String() != "https://a.example.com/root" || to.String() != "https://b.example.com/x" {
			t.Errorf("shown %v and %v", from, to)
		}
		return true
	}
	const home = "https://u:p@a.example.com/root?jwt=a"
	got, err := redirect.Follow(t.Context(), redirect.Request{URI: "https://b.example.com/x?jwt=b", From: home, Home: home}, p)
	if err != nil || got != "https://b.example.com/x?jwt=b" {
		t.Errorf("led to %q, %v", got, err)
	}
}

// Errors may be logged: none repeats the URL that it is about.
func TestErrorsShowNoSecrets(t *testing.T) {
	const home = "https://a.example.com/"
	for _, uri := range []string{"https://x:secret@a.example.com/", "https://a.example.com/%zz?jwt=secret", "http://a.example.com/?jwt=secret", "https://b.example.com/?jwt=secret"} {
		_, err := redirect.Follow(t.Context(), redirect.Request{URI: uri, From: home, Home: home}, redirect.Policy{})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
