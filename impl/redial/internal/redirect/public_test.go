package redirect

import (
	"net/netip"
	"testing"
)

// The first and the last address of each network that is not public, and the
// neighbours of some.
func TestPublicAddr(t *testing.T) {
	for public, addrs := range map[bool][]string{
		false: {
			"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255",
			"127.0.0.0", "127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255",
			"172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255",
			"192.88.99.0", "192.88.99.255", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255",
			"198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255", "224.0.0.0", "239.255.255.255",
			"240.0.0.0", "255.255.255.255",
			"::", "::1", "::10.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
			"64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
			"100::", "100::ffff:ffff:ffff:ffff", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
			"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2002:a00:1::", "2002:7f00:1::", "2002:a9fe:a9fe::",
			"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::", "fe80::1%eth0", "febf:ffff::", "fec0::", "feff:ffff::",
			"ff00::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		},
		true: {
			"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
			"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0",
			"198.17.255.255", "198.20.0.0", "223.255.255.255", "8.8.8.8",
			"2000::", "2001:200::", "2001:db7:ffff::", "2001:db9::", "2606:4700::1111",
			"64:ff9b::8.8.8.8", "2002:808:808::", "::ffff:8.8.8.8",
		},
	} {
		for _, a := range addrs {
			if publicAddr(netip.MustParseAddr(a)) != public {
				t.Errorf("%s is public: %v", a, !public)
			}
		}
	}
}

func TestPublicName(t *testing.T) {
	for public, names := range map[bool][]string{
		false: {
			"", "localhost", "metadata", "x.localhost", "printer.local", "metadata.google.internal", "nas.lan", "pc.home",
			"intra.corp", "1.0.0.10.in-addr.arpa", "127.1", "0x7f.1", "a.0x7f", "1.2.3", "a.b.9", "example.com%eth0",
			"127.0.0.1", "10.0.0.1", "::1", "fe80::1%eth0",
		},
		true: {"example.com", "a.b.example.com", "x9.example", "10.example.com", "8.8.8.8", "2606:4700::1111"},
	} {
		for _, name := range names {
			if publicName(name) != public {
				t.Errorf("%q is public: %v", name, !public)
			}
		}
	}
}

func TestCheckedAddressIsTheOneThatWasDialled(t *testing.T) {
	for _, test := range []struct {
		host, remote string
		public       bool
	}{
		{"a.example.com", "", true},
		{"a.example.com", "8.8.8.8:443", true},
		{"a.example.com", "10.0.0.1:443", false},
		{"a.example.com", "[fd00::1]:443", false},
		{"a.example.com", "no address", true},
		{"localhost", "", false},
		{"localhost", "127.0.0.1:443", false},
		{"relay", "8.8.8.8:443", true},
		{"10.0.0.1", "8.8.8.8:443", false},
	} {
		if got := publicHost(test.host, addr(test.remote)); got != test.public {
			t.Errorf("%s at %q is public: %v", test.host, test.remote, got)
		}
	}
	if publicHost("a.example.com", nil) != true {
		t.Error("a name whose address is not known is not public")
	}
}

type addr string

func (addr) Network() string  { return "" }
func (a addr) String() string { return string(a) }
