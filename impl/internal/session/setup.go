package session

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/receive"
	"github.com/moqlite/moqlite/transport"
)

// setupUrgency is that of SETUP and of control streams: the transport sends the lowest
// number first.
const setupUrgency = 0

// Each end opens one Setup stream, unidirectional, with SETUP on it (moq-lite-06, SETUP;
// since 05). It is sent without waiting for the peer's and nothing waits for it, except
// what depends on what it says: the session's root where the connection carries no URL, the
// peer's hop and the cost of its link before announcements, its role and whether it sends
// reports before it is asked for these.

// sendSetup sends SETUP on a stream of its own (moq-lite-05 and 06). Both ends send it as
// soon as they can, since peers hold back their answers until it has arrived.
func sendSetup(v *message.Version, o *Options, conn transport.Conn) {
	st, err := conn.OpenUniStream(context.Background())
	if err != nil {
		return
	}
	if p, ok := transport.As[transport.Prioritizer](st); ok {
		p.SetPriority(setupUrgency, true)
	}
	b := v.AppendVarint(nil, uint64(message.StreamSetup))
	if _, err := st.Write(newSetup(v, o, conn).Append(v, b)); err != nil {
		return
	}
	_ = st.Close()
}

// newSetup returns the SETUP of one end of a connection.
func newSetup(v *message.Version, o *Options, conn transport.Conn) *message.Setup {
	m := &message.Setup{Hop: uint64(o.Hop)}
	if _, ok := transport.As[transport.StatsConn](conn); ok {
		m.Probe = uint64(api.ProbeReports)
	}
	c := o.Config
	if c != nil && c.LinkCost != nil && v.Cost {
		m.HasCost, m.Cost = true, *c.LinkCost
	}
	if !o.Client {
		return m
	}
	if c != nil {
		m.Role = uint64(c.Role)
	}
	if u := o.URL; u != nil && !conn.State().CarriesURL {
		m.Path = u.EscapedPath()
		if u.RawQuery != "" {
			m.Path += "?" + u.RawQuery
		}
		m.HasPath = m.Path != ""
	}
	return m
}

// takeSetup reads the peer's SETUP. A malformed or second one is a violation.
func (s *Session) takeSetup(in *receive.Stream) {
	if !s.peer.isFirstSetup() {
		s.violation(errors.New("a second SETUP"))
		return
	}
	var m message.Setup
	body, _, err := in.ReadMessage(s.version, &s.budget)
	if err == nil {
		err = m.Parse(s.version, body)
	}
	if err != nil {
		if !s.life.isOver() {
			s.violation(fmt.Errorf("SETUP: %w", err))
		}
		return
	}
	s.peer.storeSetup(&m, s.conn.State())
	// Nothing follows. Reading to the end lets the transport free the stream.
	_, _ = io.Copy(io.Discard, in)
}

// CarriesPath reports whether a version's SETUP can carry the path and query of the URL,
// for transports that do not (moq-lite-05 and 06).
func CarriesPath(version string) bool {
	v := message.VersionByName(version)
	return v != nil && v.Setup
}
