package impl_test

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/tlspin"
)

// A client trusts the certificate roots of the system or, with tlspin, the one
// certificate of a development server. The scheme of the URL selects the
// transport.
func ExampleClient() {
	ctx := context.Background()
	cert, err := devcert.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &impl.Server{
		Addr: "127.0.0.1:0", Mux: api.NewTrackMux(),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
	}
	defer server.Close()
	addr, err := server.Listen()
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = server.ListenAndServe() }()

	client := &impl.Client{TLSConfig: tlspin.Config(nil, devcert.Fingerprint(cert))}
	defer client.Close()
	for _, scheme := range []string{"moqt", "wss"} {
		session, err := client.Dial(ctx, scheme+"://"+addr.String()+"/live", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(session.State().Version, "over", session.State().Transport)
	}
	// Output:
	// moq-lite-06 over quic
	// moq-lite-06 over websocket
}

// A server serves the tracks of its mux, below the path that a client has
// dialled, and calls Handler with each session.
func ExampleServer() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "live/clock", func(w api.TrackWriter) {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: []byte("noon")})
		_ = g.Close()
	})
	roots := make(chan api.BroadcastPath, 1)
	server := &impl.Server{
		Addr: "127.0.0.1:0", Mux: mux,
		Handler: func(s api.Session) { roots <- s.State().Root },
	}
	defer server.Close()
	addr, err := server.Listen() // or ListenAndServe at once, where the port is known
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = server.ListenAndServe() }()

	client := &impl.Client{}
	defer client.Close()
	session, err := client.Dial(ctx, "ws://"+addr.String()+"/live", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := session.Subscribe(ctx, "clock", "time", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer track.Close()
	group, err := track.AcceptGroup(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for frame := range api.Frames(ctx, group, nil) {
		fmt.Printf("%s, at %q\n", frame.Payload, <-roots)
	}
	// Output: noon, at "live"
}
