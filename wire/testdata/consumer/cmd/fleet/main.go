// Command fleet is a fleet of heaters with a dashboard, which meet at a relay:
//
//	fleet -device ann                   # publishes, and obeys
//	fleet -dashboard 127.0.0.1:8080
//	curl 127.0.0.1:8080                 # all devices, as JSON
//	curl 127.0.0.1:8080/ann -d "heat 25"
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/redial"
)

// A device is the broadcast fleet/NAME, with these tracks. Whoever subscribes to
// do/ID/COMMAND has the command done, once for each ID, and reads the reply.
const (
	prefix     = "fleet/"
	stateTrack = "state" // a state a group: the newest counts
	logTrack   = "log"   // a record a group: all count, in order
	doPrefix   = "do/"
)

func main() {
	url := flag.String("url", "http://127.0.0.1:4443", "the relay")
	name := flag.String("device", "", "be the device of this name")
	address := flag.String("dashboard", "", "be a dashboard, at this address")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &impl.Client{}, *url, *name, *address); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

// run runs a device or a dashboard until ctx is done or it has failed for good.
func run(ctx context.Context, client api.Client, url, name, address string) error {
	mux := api.NewTrackMux()
	session, err := impl.NewRedialer(client, redial.Policy{Logger: slog.Default()}).Dial(ctx, url, mux)
	if err != nil {
		return err
	}
	if name != "" {
		err = newDevice().run(ctx, session, mux, name)
	} else {
		board := &dashboard{session: session, devices: make(map[api.BroadcastPath]*row)}
		server := &http.Server{Addr: address, Handler: http.NewCrossOriginProtection().Handler(board)}
		defer server.Close()
		serving, failed := context.WithCancelCause(ctx)
		go func() { failed(server.ListenAndServe()) }()
		err = board.run(serving)
	}
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, client.Shutdown(leave)) // what was published last is still read
}
