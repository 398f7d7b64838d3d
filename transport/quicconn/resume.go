package quicconn

import (
	"crypto/tls"
	"net"
	"strings"

	"github.com/quic-go/quic-go"
)

// allows0RTT tells whether a dial may send early data (0-RTT): the application
// allows it, and has a cache for TLS sessions.
func allows0RTT(t *tls.Config, c *quic.Config) bool {
	return t != nil && t.ClientSessionCache != nil && c != nil && c.Allow0RTT
}

// A resumption is the TLS session cache of one dial, on top of the
// application's. It stores sessions under the server's name and address
// together: another server behind the same name would reject the early data,
// or might not answer at all. With each session it stores the ALPN, because
// the early data of the next connection must use the same moq-lite version.
type resumption struct {
	cache tls.ClientSessionCache
	key   string

	// The goroutine of the QUIC connection writes these fields. The dial may
	// read resumed once DialEarly has returned.
	resumed    string // the ALPN of the session that is resumed; empty without one
	negotiated string // the ALPN of this connection
}

// resume returns a copy of c for a dial at addr that may send early data, and
// the session cache that it uses.
func resume(c *tls.Config, addr net.Addr) (*tls.Config, *resumption) {
	r := &resumption{cache: c.ClientSessionCache, key: "moq-lite " + c.ServerName + " " + addr.String()}
	c = c.Clone()
	c.ClientSessionCache = r
	verify := c.VerifyConnection
	c.VerifyConnection = func(s tls.ConnectionState) error {
		r.negotiated = s.NegotiatedProtocol
		if r.resumed != "" && r.resumed != r.negotiated {
			r.cache.Put(r.key, nil) // early data would be rejected again
		}
		if verify != nil {
			return verify(s)
		}
		return nil
	}
	return c, r
}

// protocolMark precedes the ALPN in the extra data of a stored session.
const protocolMark = "moq-lite protocol: "

// Get implements [tls.ClientSessionCache]. It returns a copy, because the
// handshake writes to the session.
func (r *resumption) Get(string) (*tls.ClientSessionState, bool) {
	kept, ok := r.cache.Get(r.key)
	if !ok || kept == nil {
		return nil, false
	}
	ticket, state, err := kept.ResumptionState()
	if err != nil || state == nil {
		return nil, false
	}
	encoded, err := state.Bytes()
	if err != nil {
		return nil, false
	}
	if state, err = tls.ParseSessionState(encoded); err != nil {
		return nil, false
	}
	for _, extra := range state.Extra {
		if protocol, ok := strings.CutPrefix(string(extra), protocolMark); ok {
			r.resumed = protocol
		}
	}
	state.EarlyData = state.EarlyData && r.resumed != ""
	own, err := tls.NewResumptionState(ticket, state)
	return own, err == nil
}

// Put implements [tls.ClientSessionCache]. It adds the ALPN to the session.
func (r *resumption) Put(_ string, session *tls.ClientSessionState) {
	if session != nil {
		ticket, state, err := session.ResumptionState()
		if err != nil || state == nil {
			return
		}
		state.Extra = append(state.Extra, []byte(protocolMark+r.negotiated))
		if session, err = tls.NewResumptionState(ticket, state); err != nil {
			return
		}
	}
	r.cache.Put(r.key, session)
}
