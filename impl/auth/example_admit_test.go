package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// dialled dials a server in memory at each path, and prints whom it admits.
func dialled(server *moqtest.Server, paths ...string) {
	client := server.Client()
	client.Config = &api.Config{WaitForSetup: true}
	for _, path := range paths {
		_, err := client.Dial(context.Background(), server.URL+path, api.NewTrackMux())
		switch {
		case errors.Is(err, api.ErrUnauthorized):
			fmt.Println(path, "refused")
		case err != nil:
			panic(err)
		default:
			fmt.Println(path, "admitted")
		}
	}
}

// A server admits by tokens, and lets all watch what is below open.
func ExamplePolicy_Admit() {
	policy := &auth.Policy{
		Keys:   auth.Set(must(auth.NewKey("ES256", "2026-12"))),
		Public: auth.Claims{Subscribe: api.Patterns{"open/**"}},
	}
	server := moqtest.NewUnstartedServer(api.NewTrackMux())
	server.Config.Admit = policy.Admit
	server.Start()
	defer server.Close()
	dialled(server, "/open/lobby", "/studio", "/open?jwt=not-a-token")
	// Output:
	// /open/lobby admitted
	// /studio refused
	// /open?jwt=not-a-token refused
}

// A server asks another one, which is a Handler here.
func ExampleRemote_Admit() {
	decides := httptest.NewServer(auth.Handler(&auth.Policy{Public: auth.Claims{Subscribe: api.Patterns{"open/**"}}}))
	defer decides.Close()
	remote := &auth.Remote{URL: decides.URL}
	defer remote.Close()
	server := moqtest.NewUnstartedServer(api.NewTrackMux())
	server.Config.Admit = remote.Admit
	server.Start()
	defer server.Close()
	dialled(server, "/open", "/studio")
	// Output:
	// /open admitted
	// /studio refused
}

// What cannot be applied is found out before the first session comes.
func ExamplePolicy_Validate() {
	policy := &auth.Policy{Public: auth.Claims{Publish: api.Patterns{"a//b"}}}
	fmt.Println(policy.Validate())
	// Output: policy: public: publish: pattern "a//b": empty path segment
}

func ExampleRemote_Validate() {
	fmt.Println((&auth.Remote{URL: "unix:///run/tokens.sock"}).Validate())
	fmt.Println((&auth.Remote{URL: "http://tokens.example.com/"}).Validate())
	// Output:
	// <nil>
	// http://tokens.example.com/: http:// would show secrets to the network: use https://, or a loopback address
}
