package quicconn_test

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/tlspin"
)

// Dialers that have one endpoint have one UDP socket, a WebTransport dialer
// (package wtconn) too.
func ExampleEndpoint() {
	ctx := context.Background()
	cert, err := devcert.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := quicconn.Listen("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}}, nil,
		quicconn.ListenOptions{Protocols: []string{"moq-lite-06"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()

	endpoint := new(quicconn.Endpoint)
	defer endpoint.Close()
	var locals []string
	for range 2 {
		dialer := &quicconn.Dialer{Endpoint: endpoint, TLSConfig: tlspin.Config(nil, devcert.Fingerprint(cert))}
		conn, err := dialer.Dial(ctx, "moqt://"+listener.Addr().String(), []string{"moq-lite-06"})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer conn.CloseWithError(0, "")
		locals = append(locals, conn.State().Local.String())
	}
	fmt.Println("one socket:", locals[0] == locals[1])
	// Output: one socket: true
}
