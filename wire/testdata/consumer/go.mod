module example.com/consumer

go 1.26.0

require (
	github.com/google/wire v0.7.0
	github.com/moqlite/moqlite v0.0.0
	go.uber.org/mock v0.6.0
)

replace github.com/moqlite/moqlite => ../../..
