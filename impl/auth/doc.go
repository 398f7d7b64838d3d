// Package auth says who may do what: keys, the tokens that they sign, and what
// decides on admission by them.
//
//	key, err := auth.NewKey("ES256", "2026-12")
//	err = key.WriteFile("key.jwk") // keep it secret; verifiers need key.Public() alone
//	token, err := key.Issue(auth.Claims{Root: "demo", Publish: api.Patterns{"cam/**"}, Expires: time.Now().Add(time.Hour)})
//	url, err := auth.Bearer("https://relay.example.com/demo", token)
//
//	policy := &auth.Policy{Keys: auth.File("public.jwk")}
//	grant, err := policy.Admit(ctx, request)                        // what Handler answers by
//	http.ListenAndServe("127.0.0.1:4440", auth.Handler(policy))     // or for a moq-relay with --auth-url
//
// Whoever asks to be admitted dials a URL. Its path is where the session stands;
// a token in its query (jwt=) says what the session may do, and who holds the
// token's key vouches for it. A [Policy] turns that into an [api.Grant] by a key,
// a directory or a set of them ([Keys]); a [Remote] asks somebody else's server.
//
// # Tokens
//
// A token is a JSON Web Token. Its claims ([Claims]) are patterns of broadcast
// paths below a root, for publishing and for subscribing, and times. They are
// those of moq-auth, so tokens and keys serve moq-relay's tools as well. A
// verifier here refuses all that it does not understand: claims of other names,
// in other case, twice, of other types, critical headers. There is no leeway in
// time.
//
// # Keys
//
// A key is a JSON Web Key with its one algorithm ([Algorithms]); a token cannot
// choose another. Keys are read again when they change, so one is replaced by
// writing a file: [Key.WriteFile] does it at once. To change keys without
// refusing anybody, name them by ids in a directory ([Dir]), add the new one,
// issue tokens with it, and remove the old one when its tokens have expired.
//
// # Secrets
//
// Keys print as their algorithm and id, whatever prints them. No token and no
// secret is in an error or a log of this package.
package auth
