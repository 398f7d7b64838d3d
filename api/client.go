package api

import (
	"context"
	"iter"
	"net"
	"net/http"
)

// A Dialer makes sessions. It is the one interface that most applications need
// to mock.
type Dialer interface {
	// Dial connects to url and serves what is published in mux; nil means
	// [DefaultTrackMux]. The scheme picks the transport: https for
	// WebTransport, moqt or moql for native QUIC, http for a development server
	// over WebTransport, whose certificate is fetched first. The port is
	// optional. Path and query are sent to the server.
	//
	// ctx bounds the dial, not the session; a cancelled dial leaves nothing
	// behind. Dial returns when the transport is connected and our SETUP is
	// queued: before the peer knows what mux publishes (see
	// [Subscriber].Subscribe). The sessions of one client are not told of each
	// other's broadcasts, unless [Config].HopPerSession is set. If the peer refuses after that, the session ends with its error,
	// which every call then returns; see also [Config].WaitForSetup. Errors are
	// of type [*DialError], except [ErrClientClosed].
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

	// Shutdown ends all sessions gracefully. It refuses new dials and new
	// requests and sends each peer a GOAWAY; groups and tracks that are being
	// served or read go on until they are done. The application must end tracks
	// that have no end of their own. If ctx ends first, the remaining sessions
	// are terminated, and the error wraps ctx's cause and tells how many were
	// cut off. A session that has nothing left is closed without an error: by a
	// client at once, by a server after [Config].LeaveTimeout, 2 seconds by
	// default, or when ctx ends, since its client dials the next session before
	// it leaves. On moq-lite-03, which has no GOAWAY, a server closes it at once
	// too. If Close is called meanwhile, Shutdown returns [ErrClientClosed].
	Shutdown(ctx context.Context) error

	// Close ends all dials and sessions now. It returns when all goroutines and
	// sockets of the client, except handlers, are gone: within a second,
	// whatever the peers do. Its error is that of closing a socket. Further
	// calls do nothing and return the same error.
	Close() error
}

// A Server accepts sessions. All methods may be called concurrently. What it
// serves, and to whom, is set where it is made: see impl.Server.
//
//	addr, err := server.Listen() // optional: tells the address
//	go func() { done <- server.ListenAndServe() }()
//	…
//	err = server.Shutdown(ctx)
type Server interface {
	// ServeHTTP makes a session of a WebSocket request that another HTTP server
	// has received. The request's path is that of the session.
	http.Handler

	// Listen binds the server's address and returns it; ListenAndServe then
	// serves it.
	Listen() (net.Addr, error)

	// ListenAndServe accepts sessions until Shutdown or Close; it then returns
	// [ErrServerClosed]. If one of its listeners fails, it closes the server
	// and returns the error.
	ListenAndServe() error

	// Shutdown ends all sessions gracefully, as [Client].Shutdown does, and
	// accepts no more. Clients that ignore GOAWAY, and have nothing left to
	// read, are waited for no longer than [Config].LeaveTimeout. HTTP requests
	// that it answers besides are finished at the same time. It does not wait
	// for session handlers that still run, but until ctx ends for the Ended of
	// grants.
	Shutdown(ctx context.Context) error

	// Sessions iterates over the sessions that were admitted and have not ended
	// when the loop begins, in no order. The loop may call them, and the server.
	Sessions() iter.Seq[Session]

	// Stats returns sums over all sessions. It does not block.
	Stats() ServerStats

	// Close ends the server and all its sessions now. It returns when all
	// goroutines and sockets of the server, except handlers, are gone: within a
	// second, whatever the peers do, and one more for the Ended of grants
	// ([Grant]) that have not returned by then. Further calls do nothing.
	Close() error
}
