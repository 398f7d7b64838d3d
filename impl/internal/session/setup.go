package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/receive"
	"github.com/moqlite/moqlite/transport"
)

// setupUrgency is that of SETUP and of control streams: the transport sends the lowest
// number first.
const setupUrgency = 0

// sendSetup sends SETUP on a stream of its own (moq-lite-05 and 06). Both ends send it as
// soon as they can, since peers hold back their answers until it has arrived.
func (s *Session) sendSetup() {
	st, err := s.conn.OpenUniStream(context.Background())
	if err != nil {
		return
	}
	if p, ok := st.(transport.Prioritizer); ok {
		p.SetPriority(setupUrgency, true)
	}
	b := s.version.AppendVarint(nil, uint64(message.StreamSetup))
	if _, err := st.Write(s.setup().Append(s.version, b)); err != nil {
		return
	}
	_ = st.Close()
}

// setup returns this end's SETUP.
func (s *Session) setup() *message.Setup {
	m := &message.Setup{Hop: uint64(s.opts.Hop)}
	if _, ok := s.conn.(transport.StatsConn); ok {
		m.Probe = uint64(api.ProbeReports)
	}
	c := s.opts.Config
	if c != nil && c.LinkCost != nil && s.version.Cost {
		m.HasCost, m.Cost = true, *c.LinkCost
	}
	if !s.opts.Client {
		return m
	}
	if c != nil {
		m.Role = uint64(c.Role)
	}
	if u := s.opts.URL; u != nil && !s.conn.State().CarriesURL {
		m.Path = u.EscapedPath()
		if u.RawQuery != "" {
			m.Path += "?" + u.RawQuery
		}
		m.HasPath = m.Path != ""
	}
	return m
}

// expectSetup ends the session if the peer's SETUP does not arrive within limits.setup.
func (s *Session) expectSetup() {
	s.peer.expectSetup(s.limits.setup, func() {
		s.life.spawn(func() {
			if !s.peer.setupIn.Happened() {
				s.fail(api.SessionControlTimeout, fmt.Sprintf("no SETUP within %v", s.limits.setup))
			}
		})
	})
}

// takeSetup reads the peer's SETUP. A malformed or second one is a violation.
func (s *Session) takeSetup(in *receive.Stream) {
	if !s.peer.beginsSetup() {
		s.violation(errors.New("a second SETUP"))
		return
	}
	var m message.Setup
	body, _, err := in.ReadMessage(s.version)
	if err == nil {
		err = m.Parse(s.version, body)
	}
	if err != nil {
		if !s.life.isOver() {
			s.violation(fmt.Errorf("SETUP: %w", err))
		}
		return
	}
	s.learn(&m)
	// Nothing follows. Reading to the end lets the transport free the stream.
	_, _ = io.Copy(io.Discard, in)
}

// learn stores what the peer's SETUP says.
func (s *Session) learn(m *message.Setup) {
	peer := api.PeerSetup{Hop: api.Hop(m.Hop), Probe: api.ProbeLevel(m.Probe)}
	if m.HasCost {
		peer.Cost = &m.Cost
	}
	if m.Role <= uint64(api.RoleSubscriber) {
		peer.Role = api.Role(m.Role)
	}
	var u *url.URL
	var root api.BroadcastPath
	if state := s.conn.State(); !s.opts.Client && m.HasPath && !state.CarriesURL {
		u = withTarget(knownURL(&state), m.Path)
		root = rootOf(targetPath(m.Path))
	}
	s.peer.says(peer, u, root)
}

// CarriesPath reports whether a version's SETUP can carry the path and query of the URL,
// for transports that do not (moq-lite-05 and 06).
func CarriesPath(version string) bool {
	v := message.VersionByName(version)
	return v != nil && v.Setup
}
