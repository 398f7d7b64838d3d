package impl_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/transport/tlspin"
)

// site is a server with pages and, for each user, a mux of its own.
func site(c *tls.Config, users map[string]*api.TrackMux) *impl.Server {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "welcome") })
	return &impl.Server{
		Addr: "127.0.0.1:0", TLSConfig: c, HTTP: pages,
		Admit: func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
			mux, ok := users[r.Token] // in earnest, whoever has signed the token says who it is
			if !ok {
				return api.Grant{}, api.ErrUnauthorized
			}
			g := api.GrantAll()
			g.Mux, g.Value = mux, r.Token
			return g, nil
		},
	}
}

// An HTTPS site and MoQ share one port number, and each user has a private mux.
// Shutdown ends both: it finishes the requests and the sessions.
func ExampleServer_site() {
	ctx := context.Background()
	ann := api.NewTrackMux()
	_ = ann.PublishFunc(ctx, "inbox", func(w api.TrackWriter) {
		_ = api.WriteGroup(ctx, w, api.Frame{Payload: []byte("hello, ann")})
	})
	cert, err := devcert.New() // in earnest, a certificate for the site's name
	if err != nil {
		fmt.Println(err)
		return
	}
	server := site(&tls.Config{Certificates: []tls.Certificate{cert}}, map[string]*api.TrackMux{"ann": ann})
	addr, err := server.Listen()
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan error)
	go func() { done <- server.ListenAndServe() }()

	visit(ctx, "https://"+addr.String()+"/", tlspin.Config(nil, devcert.Fingerprint(cert)))
	fmt.Println("shutdown:", server.Shutdown(ctx), <-done == api.ErrServerClosed)
	// Output:
	// welcome
	// hello, ann
	// shutdown: <nil> true
}

// visit is what a browser does: it reads a page, and a track over WebTransport.
func visit(ctx context.Context, url string, trusting *tls.Config) {
	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting}}
	defer browser.CloseIdleConnections()
	page, err := browser.Get(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer page.Body.Close()
	text, _ := io.ReadAll(page.Body)
	fmt.Printf("%s\n", text)

	client := &impl.Client{TLSConfig: trusting}
	defer client.Close()
	session, err := client.Dial(ctx, url+"?jwt=ann", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := session.Subscribe(ctx, "inbox", "mail", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for group, err := range api.Groups(ctx, track) {
		if err != nil {
			return
		}
		for frame := range api.Frames(ctx, group, nil) {
			fmt.Printf("%s\n", frame.Payload)
		}
	}
}
