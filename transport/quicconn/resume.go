package quicconn

import (
	"crypto/tls"
	"net"
	"strings"

	"github.com/quic-go/quic-go"
)

// allows0RTT tells whether a dial may send before its handshake is complete:
// where the application says so, and keeps what that takes.
func allows0RTT(t *tls.Config, c *quic.Config) bool {
	return t != nil && t.ClientSessionCache != nil && c != nil && c.Allow0RTT
}

// A resumption is what one dial makes of the application's session cache. What
// it keeps there is for dials of the same name, at the same address, alone: at
// another one, early data would be lost, and there might be no answer. With each
// session it keeps the protocol, which the early data of the next one speaks.
type resumption struct {
	cache tls.ClientSessionCache
	key   string

	// Of the connection's goroutine until its handshake has begun, or is
	// complete.
	resumed    string // the protocol of the session that is resumed, if any
	negotiated string
}

// resume is c for a dial at addr that may send early data, and what becomes of
// that.
func resume(c *tls.Config, addr net.Addr) (*tls.Config, *resumption) {
	r := &resumption{cache: c.ClientSessionCache, key: "moq-lite " + c.ServerName + " " + addr.String()}
	c = c.Clone()
	c.ClientSessionCache = r
	verify := c.VerifyConnection
	c.VerifyConnection = func(s tls.ConnectionState) error {
		r.negotiated = s.NegotiatedProtocol
		if r.resumed != "" && r.resumed != r.negotiated {
			r.cache.Put(r.key, nil) // early data would be refused again
		}
		if verify != nil {
			return verify(s)
		}
		return nil
	}
	return c, r
}

// protocolMark precedes the protocol in a session's extra data.
const protocolMark = "moq-lite protocol: "

// Get implements [tls.ClientSessionCache]. It returns a session of its own, to
// which the handshake writes.
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

// Put implements [tls.ClientSessionCache].
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
