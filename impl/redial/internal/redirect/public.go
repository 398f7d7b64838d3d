package redirect

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// checkAddress refuses a redirect from the public network into one that is not.
// A name that cannot be looked up is refused too. A name may resolve to another
// address when it is dialled: a process that can reach hosts which must be
// protected should dial through a transport that checks the addresses it
// connects to.
func checkAddress(ctx context.Context, from, to string, remote net.Addr, lookup func(context.Context, string) ([]netip.Addr, error)) error {
	if !publicHost(from, remote) {
		return nil
	}
	if !publicName(to) {
		return ErrNotPublic
	}
	if _, err := netip.ParseAddr(to); err == nil {
		return nil // as a name it is public
	}
	addrs, err := lookup(ctx, to)
	if err != nil {
		return fmt.Errorf("another host: %w", err)
	}
	if len(addrs) == 0 {
		return fmt.Errorf("another host: %q has no address", to)
	}
	for _, addr := range addrs {
		if !publicAddr(addr) {
			return ErrNotPublic
		}
	}
	return nil
}

// publicHost reports whether the host of a session is public: by the address
// that it was reached at, if that is known, or else by its name.
func publicHost(host string, remote net.Addr) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return publicAddr(addr)
	}
	if remote != nil {
		if at, err := netip.ParseAddrPort(remote.String()); err == nil {
			return publicAddr(at.Addr())
		}
	}
	return publicName(host)
}

// publicName reports whether a name, or an address, could be public. A name
// that ends in a number could not: some resolvers take it for an address.
func publicName(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return publicAddr(addr)
	}
	if !strings.Contains(host, ".") || strings.Contains(host, "%") {
		return false
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" || last[0] >= '0' && last[0] <= '9' {
		return false
	}
	return !slices.Contains([]string{"localhost", "local", "internal", "lan", "home", "corp", "arpa"}, last)
}

// special are the networks that are not public, besides those that package
// netip knows of.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b:1::/48",
	"100::/64", "2001::/23", "2001:db8::/32", "fec0::/10",
)

// embedding are the networks whose addresses contain an IPv4 address that they
// lead to, with the byte at which it begins.
var embedding = map[netip.Prefix]int{
	netip.MustParsePrefix("64:ff9b::/96"): 12, // NAT64
	netip.MustParsePrefix("2002::/16"):    2,  // 6to4
}

func prefixes(all ...string) (out []netip.Prefix) {
	for _, p := range all {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// publicAddr reports whether an address is public.
func publicAddr(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for prefix, at := range embedding {
		if prefix.Contains(addr) {
			bytes := addr.As16()
			return publicAddr(netip.AddrFrom4([4]byte(bytes[at : at+4])))
		}
	}
	return addr.IsGlobalUnicast() && !addr.IsPrivate() &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(addr) })
}
