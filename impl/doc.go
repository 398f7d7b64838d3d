// Package impl implements the interfaces of package api: a [Client] dials
// sessions, and a [Server] accepts them. The zero value of each is ready to use.
//
//	server := &impl.Server{Addr: ":4443", TLSConfig: conf, Mux: mux}
//	go server.ListenAndServe()
//	…
//	client := &impl.Client{}
//	session, err := client.Dial(ctx, "https://relay.example.com:4443", nil)
//	…
//	err = client.Shutdown(ctx) // or Close, which does not wait for anybody
//
// Applications name this package where they put things together, in main or in
// their Wire providers, and the interfaces of api everywhere else. What Dial
// returns ends with its connection; package redial keeps sessions that do not.
// Package live has tracks that many read, package relay a node between
// publishers and subscribers, package moqtest a server for tests.
//
// # Round trips
//
// From Dial to the first frame, over native QUIC, it takes two round trips: the
// handshake, with which the server's half of the session comes, and the
// subscription, which does not wait for either side's SETUP. Over WebTransport it
// takes three to servers that send HTTP/3's settings with their handshake, and
// four to those that send them after it, as ours does.
//
// Over native QUIC it takes one round trip to a server met before, if both allow
// early data (0-RTT): the server's QUICConfig has Allow0RTT, and so has the
// client's, whose TLSConfig has a ClientSessionCache:
//
//	conf := quicconn.DefaultConfig()
//	conf.Allow0RTT = true
//	client := &impl.Client{
//		TLSConfig:  &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(0)},
//		QUICConfig: conf,
//	}
//
// Dial then returns before the server has answered, and where nobody answers, it
// is the session that ends. A server that takes no early data gets all of it once
// more after the handshake. Early data can be replayed by whoever has seen it: a
// server that allows it may be asked for a track, or for what is announced, by a
// session that ends when its handshake is not completed in time. Nothing is
// published that way, since publishing takes an answer. Of other servers,
// moq-relay 0.17 resumes sessions and takes no early data.
//
// # Defaults
//
// The settings of QUIC, and the measurements that chose them, are told by
// quicconn.DefaultConfig; the limits of a session by [api.Limits].
package impl
