module github.com/moqlite/moqlite

go 1.26.0

require (
	github.com/Eyevinn/mp4ff v0.50.0 // boxes of MP4: what initialization segments say of codecs; no dependencies of its own
	github.com/bluenviron/mediacommon/v2 v2.9.3 // parsers of what codecs write into their streams; not its MP4
	github.com/cenkalti/backoff/v5 v5.0.3 // jittered waits between redials; no dependencies of its own
	github.com/coder/websocket v1.8.15 // WebSocket, where UDP does not get through
	github.com/dunglas/httpsfv v1.1.2 // structured header fields, in which WebTransport negotiates versions
	github.com/go-jose/go-jose/v4 v4.1.9 // JSON Web Keys and Signatures: the tokens of impl/auth; no dependencies of its own
	github.com/google/wire v0.7.0 // the provider sets of package wire
	github.com/pires/go-proxyproto v0.15.0 // the PROXY protocol, by which load balancers tell of their clients
	github.com/quic-go/quic-go v0.64.1 // QUIC and HTTP/3
	github.com/quic-go/webtransport-go v0.13.0 // the server's half of WebTransport; moves together with quic-go
	github.com/spf13/cobra v1.10.2 // the command line
	github.com/spf13/pflag v1.0.9 // its flags, which are looked through for the one that was meant
	go.uber.org/goleak v1.3.0 // tests fail on leaked goroutines
	go.uber.org/mock v0.6.0 // the generated mocks
	golang.org/x/net v0.56.0 // control messages of UDP sockets
	golang.org/x/sys v0.49.0 // socket options that package syscall has not
	golang.org/x/term v0.47.0 // is standard error a terminal?
)

require (
	github.com/google/subcommands v1.2.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	github.com/quic-go/qpack v0.6.0 // indirect
	golang.org/x/crypto v0.54.0 // indirect
	golang.org/x/mod v0.37.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/text v0.40.0 // indirect
	golang.org/x/tools v0.47.0 // indirect
)

tool (
	github.com/google/wire/cmd/wire // the provider sets of package wire
	go.uber.org/mock/mockgen // the generated mocks
)
