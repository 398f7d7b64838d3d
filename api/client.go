package api

import (
	"context"
	"net"
)

// A Dialer makes sessions. It is the one interface that most applications need
// to mock.
type Dialer interface {
	// Dial connects to url and serves what is published in mux; nil means
	// [DefaultTrackMux]. The scheme picks the transport: https for
	// WebTransport, moqt or moql for native QUIC, http for a development
	// server over WebTransport whose certificate is fetched first; the port is
	// optional. Path and query reach the server.
	//
	// ctx bounds the dial, not the session; a cancelled dial leaves nothing
	// behind. Dial returns when the transport stands and our SETUP is queued:
	// a refusal that comes later is the session's error and that of every
	// call. Errors are of type [*DialError], but for [ErrClientClosed].
	Dial(ctx context.Context, url string, mux *TrackMux) (Session, error)
}

// A Client is a Dialer that owns the sessions it has dialled. All methods may
// be called concurrently.
//
//	client := &impl.Client{} // or one of package wire's
//	defer client.Close()
//	session, err := client.Dial(ctx, "https://relay.example.com", mux)
//	…
//	err = client.Shutdown(ctx)
type Client interface {
	Dialer

	// Shutdown ends all sessions in good order: no new dials, a GOAWAY to each
	// peer, new requests refused, what is being served and read goes on until
	// it is done. What has no end by itself is the application's to end first.
	// When ctx ends first, the rest is terminated and the error wraps ctx's
	// cause and counts what was cut; Close during Shutdown wins, with
	// [ErrClientClosed].
	Shutdown(ctx context.Context) error

	// Close ends all dials and sessions now. It returns when all goroutines
	// and sockets of the client, handlers aside, are gone: within a second
	// whatever the peers do. Its error is that of closing a socket. Calling it
	// again does nothing, and returns the same.
	Close() error
}

// A Server accepts sessions. All methods may be called concurrently. What it
// serves, and whom, is said where it is made: see impl.Server.
//
//	addr, err := server.Listen() // optional: says where
//	go func() { done <- server.ListenAndServe() }()
//	…
//	err = server.Shutdown(ctx)
type Server interface {
	// Listen binds the server's address and returns it; ListenAndServe then
	// serves it.
	Listen() (net.Addr, error)

	// ListenAndServe accepts sessions until Shutdown or Close; it then returns
	// [ErrServerClosed]. Where something that it listens on fails, it closes the
	// server and returns why.
	ListenAndServe() error

	// Shutdown ends all sessions in good order, as [Client].Shutdown does, and
	// accepts no more. A handler of sessions that still runs is not waited for.
	Shutdown(ctx context.Context) error

	// Close ends the server and all its sessions now. It returns when all
	// goroutines and sockets of the server, handlers aside, are gone: within a
	// second whatever the peers do. Calling it again does nothing.
	Close() error
}
