package auth_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/auth"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
)

// A token lets a camera publish, and its program watch, below a path.
func Example() {
	dir, err := os.MkdirTemp("", "keys-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	key, err := auth.NewKey("EdDSA", "cameras")
	if err != nil {
		panic(err)
	}
	public, err := key.Public() // all that the server needs
	if err != nil {
		panic(err)
	}
	if err := public.WriteFile(filepath.Join(dir, "cameras.jwk")); err != nil {
		panic(err)
	}
	token, err := key.Issue(auth.Claims{
		Root:    "site",
		Publish: api.Patterns{"cam-1/**"}, Subscribe: api.Patterns{"*/control"},
		Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		panic(err)
	}
	policy := &auth.Policy{Keys: auth.Dir(dir)}
	for _, path := range []api.BroadcastPath{"site", "site/cam-1", "other"} {
		grant, err := policy.Admit(context.Background(), api.AdmitRequest{Token: token, State: api.SessionState{Root: path}})
		fmt.Println(path, grant.Publish, grant.Subscribe, err)
	}
	// Output:
	// site [cam-1/**] [*/control] <nil>
	// site/cam-1 [**] [control] <nil>
	// other [] [] what is granted is at "site", and not at "other"
}

func ExampleVerify() {
	key, err := auth.NewKey("HS256", "2026-12")
	if err != nil {
		panic(err)
	}
	token, err := key.Issue(auth.Claims{Publish: api.Patterns{"room/**"}})
	if err != nil {
		panic(err)
	}
	claims, err := auth.Verify(context.Background(), auth.Set(key), token)
	fmt.Println(claims.Publish, err)
	other, err := auth.NewKey("HS256", "2026-12")
	if err != nil {
		panic(err)
	}
	_, err = auth.Verify(context.Background(), auth.Set(other), token)
	fmt.Println(err)
	// Output:
	// [room/**] <nil>
	// token: the signature is not that of key "2026-12" for HS256
}

func ExampleKey_Limit() {
	key, err := auth.NewKey("HS256", "tenant-1")
	if err != nil {
		panic(err)
	}
	limited, err := key.Limit(auth.Claims{Root: "tenant-1", Publish: api.Patterns{"**"}, Subscribe: api.Patterns{"**"}})
	if err != nil {
		panic(err)
	}
	_, err = limited.Issue(auth.Claims{Root: "tenant-2", Publish: api.Patterns{"**"}})
	fmt.Println(err)
	// Output:
	// issue a token: the key's tokens may publish [tenant-1/**], and this one would [tenant-2/**]
}

// A program that issues its own tokens dials with a new one each time, so that
// its session goes on when the token before has expired.
func ExampleBearer() {
	mux := api.NewTrackMux()
	server := moqtest.NewUnstartedServer(mux)
	tokens := make(chan string, 1)
	server.Config.Handler = func(s api.Session) { tokens <- api.QueryToken(s.State().URL.RawQuery) }
	server.Start()
	defer server.Close()
	client := server.Client()

	key, err := auth.NewKey("HS256", "2026-12")
	if err != nil {
		panic(err)
	}
	dialer := impl.NewRedialer(client, redial.Policy{
		Source: func(context.Context) (string, error) {
			token, err := key.Issue(auth.Claims{Publish: api.Patterns{"**"}, Expires: time.Now().Add(time.Minute)})
			if err != nil {
				return "", err
			}
			return auth.Bearer(server.URL, token)
		},
	})
	session, err := dialer.Dial(context.Background(), "", mux)
	if err != nil {
		panic(err)
	}
	fmt.Println("the server sees a token of", len(strings.Split(<-tokens, ".")), "parts")
	_ = session.Terminate(api.SessionNoError, "")
	// Output:
	// the server sees a token of 3 parts
}

func ExampleClaims_At() {
	claims := auth.Claims{Root: "demo", Publish: api.Patterns{"a/**"}, Subscribe: api.Patterns{"**"}}
	for _, path := range []api.BroadcastPath{"", "demo", "demo/b"} {
		grant, err := claims.At(path)
		fmt.Printf("%q: %v %v %v\n", path, grant.Publish, grant.Subscribe, err)
	}
	// Output:
	// "": [demo/a/**] [demo/**] <nil>
	// "demo": [a/**] [**] <nil>
	// "demo/b": [] [**] <nil>
}

// A Remote asks a server that is a Handler; a moq-relay with --auth-url asks it
// in the same way.
func ExampleHandler() {
	server := httptest.NewServer(auth.Handler(&auth.Policy{Public: auth.Claims{Subscribe: api.Patterns{"open/**"}}}))
	defer server.Close()
	remote := &auth.Remote{URL: server.URL}
	grant, err := remote.Admit(context.Background(), api.AdmitRequest{State: api.SessionState{Root: "open"}})
	fmt.Println(grant.Publish, grant.Subscribe, err)
	_, err = remote.Admit(context.Background(), api.AdmitRequest{State: api.SessionState{Root: "shut"}})
	fmt.Println(err)
	// Output:
	// [] [**] <nil>
	// admission: refused with status 403
}
