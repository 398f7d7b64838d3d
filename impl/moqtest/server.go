// Package moqtest has a server and its client in one process, for the tests of
// applications, as net/http/httptest has for HTTP. Nothing of it opens a
// socket, so it works within a testing/synctest bubble.
//
//	server := moqtest.NewServer(mux)
//	defer server.Close()
//	session, err := server.Client().Dial(ctx, server.URL, nil)
package moqtest

import (
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

// host is what the server's URL names.
const host = "moqtest.example"

// A Server is a moq-lite server that listens in memory.
type Server struct {
	// URL is what clients dial.
	URL string

	// Config is the server underneath. Its fields may be set between
	// NewUnstartedServer and Start.
	Config *impl.Server

	// Network is where the server listens.
	Network *memconn.Network

	mu      sync.Mutex
	clients []*impl.Client
	serving sync.WaitGroup
}

// NewServer starts a server of what is published in mux; nil means
// [api.DefaultTrackMux]. The caller closes it.
func NewServer(mux *api.TrackMux) *Server {
	s := NewUnstartedServer(mux)
	s.Start()
	return s
}

// NewUnstartedServer is NewServer without Start.
func NewUnstartedServer(mux *api.TrackMux) *Server {
	return &Server{Config: &impl.Server{Mux: mux}, Network: new(memconn.Network)}
}

// Start starts the server. It panics when that fails, which is a mistake in
// the test.
func (s *Server) Start() {
	s.Config.ListenFunc = func(protocols []string) (transport.Listener, error) {
		return s.Network.Listen(host, protocols, nil)
	}
	if _, err := s.Config.Listen(); err != nil {
		panic("moqtest: " + err.Error())
	}
	s.URL = "moqt://" + host
	s.serving.Go(func() { _ = s.Config.ListenAndServe() })
}

// Client returns a new client that reaches the server, and is closed with it.
func (s *Server) Client() *impl.Client {
	c := &impl.Client{Transport: s.Network}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, c)
	return c
}

// Close ends the server and its clients, and returns when they are gone.
func (s *Server) Close() {
	s.mu.Lock()
	clients := s.clients
	s.mu.Unlock()
	for _, c := range clients {
		_ = c.Close()
	}
	_ = s.Config.Close()
	s.serving.Wait()
}
