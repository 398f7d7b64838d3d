// Command moq publishes, subscribes and relays over MoQ Lite from the shell.
//
//	moq relay &
//	date | moq pub http://127.0.0.1:4443 room/clock --track time
//	moq sub http://127.0.0.1:4443 room/clock time
//
// See moq help. Payloads and, with --json, objects go to standard output, and
// everything for people to standard error, so that commands can be combined. The
// exit status is 0 if the command did what it was asked to, 1 if it failed, and
// 2 if the command line is wrong.
//
// What follows is for developers. Each command has a file, which begins with its
// help: relay.go, pub.go, sub.go, fetch.go, ls.go, probe.go, bench.go, demo.go,
// completion.go, version.go. Behind them are
//
//	root.go           the flags of all commands, and the exit status
//	connect.go,
//	bearer.go,
//	environment.go    from flags to a session
//	serverurl.go,
//	suggest.go        what was meant by a mistyped URL, command or flag
//	admission.go      whom the relay admits
//	certificate.go,
//	reload.go         its certificate, and files that are read again
//	errors.go         what to try after an error
//	source.go,
//	file.go,
//	stream.go,
//	groupdelivery.go  what pub publishes, to one or many subscribers
//	orderedreader.go,
//	readahead.go      groups in order, read in parallel, for sub
//	sink.go           where sub and fetch write
//	loadtest.go,
//	generator.go,
//	histogram.go,
//	report.go         what bench and demo measure
//	compare.go        two results of bench
//	diagnose.go       why a dial failed, for probe
//
// Nothing is global: a command gets its flags and its streams as options, so
// that tests run several at once in one process.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// The first signal ends the command in order, the second one at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}
