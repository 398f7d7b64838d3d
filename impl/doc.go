// Package impl implements the interfaces of package api: a [Client] dials
// sessions, and a [Server] accepts them. The zero value of each is ready to
// use.
//
//	server := &impl.Server{Addr: ":4443", TLSConfig: conf, Mux: mux}
//	go server.ListenAndServe()
//	…
//	client := &impl.Client{}
//	session, err := client.Dial(ctx, "https://relay.example.com:4443", nil)
//	…
//	err = client.Shutdown(ctx) // or Close, which waits for nothing
//
// Applications should import this package only where they put their parts
// together, in main or in their Wire providers, and use the interfaces of api
// everywhere else. A session that Dial returns ends with its connection;
// package redial makes sessions that reconnect. Package live has tracks that
// several subscribers read, package relay a node between publishers and
// subscribers, and package moqtest a server for tests.
//
// # Round trips
//
// Over native QUIC the first frame arrives two round trips after Dial: one for
// the handshake, with which the server also sends its side of the session, and
// one for the subscription, which waits for neither side's SETUP. Over
// WebTransport it takes three round trips to servers that send their HTTP/3
// settings with the handshake, and four to those that send them after it, as
// this package's Server does.
//
// Over native QUIC it takes one round trip to a server that the client has
// connected to before, if both allow early data (0-RTT): the QUICConfig of
// both has Allow0RTT, and the client's TLSConfig has a ClientSessionCache:
//
//	conf := quicconn.DefaultConfig()
//	conf.Allow0RTT = true
//	client := &impl.Client{
//		TLSConfig:  &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(0)},
//		QUICConfig: conf,
//	}
//
// Dial then returns before the server has answered; if the server never
// answers, the session ends. If the server rejects the early data, the client
// sends it again after the handshake. Early data can be replayed by anyone who
// has recorded it: the handshake of the replayed session is not completed and
// the session soon ends, but until then it may ask the server for a track or
// for announcements. It cannot publish, since a publisher has to answer the
// server. Among other servers, moq-relay 0.17 resumes TLS sessions but accepts
// no early data.
//
// # Defaults
//
// The documentation of quicconn.DefaultConfig has the QUIC settings and the
// measurements by which they were chosen, that of [api.Limits] the limits of a
// session, and that of [Server] those of all sessions of a server.
package impl
