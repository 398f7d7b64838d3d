package wsconn

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/pires/go-proxyproto"
)

// proxies are the networks of the trusted proxies. What other hosts say about
// the client's address is ignored.
type proxies []netip.Prefix

// has tells whether a is in one of the networks. An IPv4 address in IPv6 form
// counts as itself.
func (p proxies) has(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(a.Unmap()) })
}

// trusts tells whether the peer of a connection is a trusted proxy.
func (p proxies) trusts(remote net.Addr) bool {
	a, err := netip.ParseAddrPort(remote.String())
	return err == nil && p.has(a.Addr())
}

// readHeader reads the header of the PROXY protocol, version 1 or 2, from a
// trusted proxy, and records the client's address. The header is optional: a
// proxy may connect for itself.
func (p *peekedConn) readHeader() error {
	header, err := proxyproto.Read(p.in)
	switch {
	case errors.Is(err, proxyproto.ErrNoProxyProtocol):
		return nil
	case err != nil:
		return fmt.Errorf("PROXY protocol from %v: %w", p.Conn.RemoteAddr(), err)
	case !header.Command.IsLocal() && header.SourceAddr != nil:
		p.remote = header.SourceAddr
	}
	return nil
}

// client returns the address of the client of a request: the peer of the
// connection or, if that is a trusted proxy, the last address in
// X-Forwarded-For that is not.
func (p proxies) client(r *http.Request) net.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return nil
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(forwarded) {
		if !p.has(peer.Addr()) {
			break
		}
		before, err := parseHost(strings.TrimSpace(text))
		if err != nil {
			break // the client's address is not known
		}
		peer = before
	}
	return net.TCPAddrFromAddrPort(peer)
}

// parseHost parses an IP address with or without a port; without one the port
// is 0.
func parseHost(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a, nil
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return netip.AddrPortFrom(a, 0), err
}
