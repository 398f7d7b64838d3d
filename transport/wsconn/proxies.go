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

// proxies are the networks whose hosts are believed when they say for whom they
// speak. From others such words are those of the client itself.
type proxies []netip.Prefix

func (p proxies) has(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(a.Unmap()) })
}

// trusts tells whether the peer of a connection is one of the proxies.
func (p proxies) trusts(remote net.Addr) bool {
	a, err := netip.ParseAddrPort(remote.String())
	return err == nil && p.has(a.Addr())
}

// readHeader takes what a proxy says by the PROXY protocol, version 1 or 2, ahead
// of all that the client says. A proxy may leave it out, and speak for itself.
func (p *peeked) readHeader() error {
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

// client is who has made a request: what the connection comes from, or, where
// that is one of the proxies, the last one in X-Forwarded-For that is none.
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
			break // it is not known who is before the proxy
		}
		peer = before
	}
	return net.TCPAddrFromAddrPort(peer)
}

// parseHost reads an address with or without a port, which is 0 then.
func parseHost(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a, nil
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return netip.AddrPortFrom(a, 0), err
}
