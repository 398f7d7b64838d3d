package impl

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// addresses counts the sessions of each address. The zero value is ready.
type addresses struct {
	mu       sync.Mutex
	sessions map[netip.Addr]int
}

// enter counts a session of an address until leave is called. It reports false if
// there are as many as there may be.
func (a *addresses) enter(remote net.Addr, most int) (leave func(), ok bool) {
	key, ok := networkOf(remote)
	if !ok {
		return func() {}, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sessions[key] >= most {
		return nil, false
	}
	if a.sessions == nil {
		a.sessions = make(map[netip.Addr]int)
	}
	a.sessions[key]++
	return func() { a.leave(key) }, true
}

func (a *addresses) leave(key netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sessions[key]--; a.sessions[key] == 0 {
		delete(a.sessions, key)
	}
}

// full reports whether enter would report false.
func (a *addresses) full(remote net.Addr, most int) bool {
	key, ok := networkOf(remote)
	a.mu.Lock()
	defer a.mu.Unlock()
	return ok && a.sessions[key] >= most
}

// networkOf returns an address as it is counted: an IPv4 address, or the network
// of an IPv6 address, within which a host chooses its addresses itself. ok is
// false if it is not an address of an internet.
func networkOf(remote net.Addr) (_ netip.Addr, ok bool) {
	var ip netip.Addr
	switch a := remote.(type) {
	case *net.UDPAddr:
		ip = a.AddrPort().Addr()
	case *net.TCPAddr:
		ip = a.AddrPort().Addr()
	case nil:
		return ip, false
	default:
		at, err := netip.ParseAddrPort(a.String())
		if err != nil {
			return ip, false
		}
		ip = at.Addr()
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		network, err := ip.Prefix(64)
		if err != nil {
			return ip, false
		}
		ip = network.Addr()
	}
	return ip, ip.IsValid()
}

var errTooManySessions = errors.New("too many sessions from this address")

// tooMany closes a connection for which its address has no room.
func tooMany(conn transport.Conn) {
	_ = conn.CloseWithError(uint64(api.SessionUnavailable), errTooManySessions.Error())
}
