package auth_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/auth"
)

// must is for examples, in which nothing fails.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ExampleAlgorithms() {
	fmt.Println(strings.Join(auth.Algorithms(), " "))
	// Output: HS256 HS384 HS512 ES256 ES384 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA
}

// A key prints no secret.
func ExampleNewKey() {
	key := must(auth.NewKey("HS256", "2026-12"))
	fmt.Println(key)
	// Output: key "2026-12" for HS256
}

func ExampleParseKey() {
	key, err := auth.ParseKey([]byte(`{"kty":"oct","alg":"HS256","kid":"k1","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}`))
	fmt.Println(key, err)
	_, err = auth.ParseKey([]byte(`{"kty":"oct","alg":"HS256","k":"c2hvcnQ"}`))
	fmt.Println(err)
	// Output:
	// key "k1" for HS256 <nil>
	// key: the secret has 5 bytes, the least is 32
}

func ExampleKey_Issue() {
	key := must(auth.NewKey("EdDSA", "2026-12"))
	token, err := key.Issue(auth.Claims{Root: "demo", Publish: api.Patterns{"cam/**"}, Expires: time.Now().Add(time.Hour)})
	fmt.Println(strings.Count(token, "."), err)
	// Output: 2 <nil>
}

// Who verifies needs the public part alone, and cannot sign with it.
func ExampleKey_Public() {
	public := must(must(auth.NewKey("ES256", "2026-12")).Public())
	_, err := public.Issue(auth.Claims{Publish: api.Patterns{"**"}})
	fmt.Println(err)
	// Output: issue a token: key "2026-12" for ES256 is not for signing
}

// JWK has the secret; String, and all that prints, has not.
func ExampleKey_JWK() {
	key := must(auth.NewKey("HS256", "2026-12"))
	again := must(auth.ParseKey(must(key.JWK())))
	fmt.Println(again.ID())
	// Output: 2026-12
}

// A key is replaced by writing its file: the next token is verified with the new one.
func ExampleFile() {
	dir := must(os.MkdirTemp("", "keys-"))
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "key.jwk")
	keys := auth.File(name)
	var token string
	for range 2 {
		key := must(auth.NewKey("HS256", "2026-12"))
		if err := key.WriteFile(name); err != nil {
			panic(err)
		}
		if token == "" {
			token = must(key.Issue(auth.Claims{Publish: api.Patterns{"**"}}))
		}
		_, err := auth.Verify(context.Background(), keys, token)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// token: the signature is not that of key "2026-12" for HS256
}

// A token names its key by id, in a directory as in a set.
func ExampleSet() {
	first, second := must(auth.NewKey("HS256", "first")), must(auth.NewKey("HS256", "second"))
	keys := auth.Set(first, second)
	for _, key := range []*auth.Key{second, must(auth.NewKey("HS256", "third"))} {
		_, err := auth.Verify(context.Background(), keys, must(key.Issue(auth.Claims{Publish: api.Patterns{"**"}})))
		fmt.Println(key.ID(), err)
	}
	// Output:
	// second <nil>
	// third token: there is no key "third"
}

func ExampleParseSet() {
	keys, err := auth.ParseSet([]byte(`{"keys":[{"kty":"oct","alg":"HS256","kid":"k1","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(keys.Key(context.Background(), "k1"))
	// Output: key "k1" for HS256 <nil>
}

// A program refuses to start without the keys that it was told of.
func ExampleSource_Load() {
	dir := must(os.MkdirTemp("", "keys-"))
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "k1.jwk"), []byte("{}"), 0o600); err != nil {
		panic(err)
	}
	fmt.Println(auth.Dir(dir).Load(context.Background()) != nil)
	// Output: true
}

func ExampleURL() {
	fmt.Println(auth.URL("https://keys.example.com/set.json").Validate())
	fmt.Println(auth.URL("http://keys.example.com/set.json").Validate())
	// Output:
	// <nil>
	// keys: http://keys.example.com/set.json: http:// would show secrets to the network: use https://, or a loopback address
}
