// Package impl implements the interfaces of package api: [Client] and [Server]
// compose a transport with a session. The zero value of each is ready to use.
//
// # Round trips
//
// From Dial to the first frame, over native QUIC, it takes two round trips: the
// handshake, with which the server's half of the session comes, and the
// subscription, which does not wait for either side's SETUP. Over WebTransport it
// takes three to servers that send HTTP/3's settings with their handshake, and
// four to those that send them after it, as ours does. Nothing is sent before
// the handshake (0-RTT): no relay is known to take it.
//
// # Defaults
//
// The settings of QUIC, and the measurements that chose them, are told by
// quicconn.DefaultConfig; the limits of a session by [api.Limits].
//
// Applications name this package where they put things together, in main or in
// their Wire providers, and the interfaces of api everywhere else.
package impl
