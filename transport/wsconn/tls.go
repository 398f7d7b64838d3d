package wsconn

import (
	"crypto/tls"
	"slices"
)

// tlsProtocols returns the ALPNs of a listener.
func (o *ListenOptions) tlsProtocols() []string {
	names := offers(o.Protocols, streamDrafts)
	if o.HTTP != nil && o.HTTP2 {
		names = append(names, protocolHTTP2)
	}
	if o.HTTP != nil {
		names = append(names, protocolHTTP)
	}
	return names
}

// serverTLS returns a copy of c with ALPNs of its own, also where the configuration
// depends on the client. It notes what clients offer.
func serverTLS(c *tls.Config, protocols []string) *tls.Config {
	c = c.Clone()
	c.NextProtos = protocols
	choose := c.GetConfigForClient
	c.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		if p, ok := info.Conn.(*peekedConn); ok {
			p.offered = info.SupportedProtos
		}
		if choose == nil {
			return nil, nil
		}
		chosen, err := choose(info)
		if chosen == nil || err != nil {
			return nil, err
		}
		chosen = chosen.Clone()
		chosen.NextProtos = protocols
		return chosen, nil
	}
	return c
}

// mayAgree reports whether a client may agree on one of the protocols: it offers one, or
// has offered nothing.
func (p *peekedConn) mayAgree(protocols []string) bool {
	return len(p.offered) == 0 || slices.ContainsFunc(p.offered, func(o string) bool { return slices.Contains(protocols, o) })
}
