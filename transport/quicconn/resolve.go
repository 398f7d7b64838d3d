package quicconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// maxAddrs is how many addresses of a host are dialled at most.
const maxAddrs = 8

// splitAddr splits host:port and checks the port.
func splitAddr(addr string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, errors.New("the address is not host:port")
	}
	n, err := strconv.ParseUint(service, 10, 16)
	switch {
	case host == "":
		return "", 0, errors.New("the address has no host")
	case err != nil || n == 0:
		return "", 0, fmt.Errorf("the port %q is not a number from 1 to 65535", service)
	}
	return host, uint16(n), nil
}

// resolve looks up host's addresses in the order in which to dial them: that
// of the resolver, with the address families alternating.
func resolve(ctx context.Context, host string, port uint16) ([]*net.UDPAddr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []*net.UDPAddr{net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, port))}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	case len(ips) == 0:
		return nil, fmt.Errorf("%s has no address", host)
	}
	var addrs []*net.UDPAddr
	for _, ip := range interleave(ips) {
		addrs = append(addrs, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, port)))
	}
	return addrs[:min(len(addrs), maxAddrs)], nil
}

// interleave reorders addresses so that IPv4 and IPv6 alternate, beginning with
// the family of the first.
func interleave(ips []netip.Addr) []netip.Addr {
	var first, second, mixed []netip.Addr
	for i, ip := range ips {
		ips[i] = ip.Unmap()
		if ips[i].Is4() == ips[0].Is4() {
			first = append(first, ips[i])
		} else {
			second = append(second, ips[i])
		}
	}
	for i := range max(len(first), len(second)) {
		mixed = append(mixed, first[min(i, len(first)):min(i+1, len(first))]...)
		mixed = append(mixed, second[min(i, len(second)):min(i+1, len(second))]...)
	}
	return mixed
}
