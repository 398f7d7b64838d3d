package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// sendSetup says what this end is, on a stream of its own: the first thing
// that either end does, since peers hold back their answers until then.
func (s *Session) sendSetup() {
	st, err := s.conn.OpenUniStream(context.Background())
	if err != nil {
		return
	}
	prioritize(st, setupUrgency)
	b := s.version.AppendVarint(nil, uint64(message.StreamSetup))
	if _, err := st.Write(s.setup().Append(s.version, b)); err != nil {
		return
	}
	_ = st.Close()
}

// setup is what this end has to say of itself.
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

// expectSetup has the session end when the peer's SETUP does not come.
func (s *Session) expectSetup() {
	s.peer.expectSetup(s.limits.setup, func() {
		s.life.spawn(func() {
			if !s.peer.setupIn.Happened() {
				s.fail(api.SessionControlTimeout, fmt.Sprintf("no SETUP within %v", s.limits.setup))
			}
		})
	})
}

// takeSetup reads the peer's SETUP.
func (s *Session) takeSetup(in *incoming) {
	if !s.peer.beginsSetup() {
		s.violation(errors.New("a second SETUP"))
		return
	}
	var m message.Setup
	_ = in.stream.SetReadDeadline(s.in(s.limits.setup))
	body, err := message.ReadBody(in, s.version, message.MaxBody, nil)
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
	// Nothing follows; reading the end lets the stream be forgotten.
	_, _ = io.Copy(io.Discard, in)
}

// learn takes in what the peer says of itself.
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

// CarriesPath tells whether a version's sessions can say where in the server
// they want to, if their binding cannot.
func CarriesPath(version string) bool {
	v := message.VersionByName(version)
	return v != nil && v.Setup
}
