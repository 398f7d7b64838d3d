// Package ingest publishes a source of packets as a live broadcast: a catalog
// that players of the ecosystem read, and a track for each of the source's.
//
//	source, err := format.Sniff(os.Stdin)
//	…
//	var broadcast live.Broadcast
//	camera, err := ingest.Open(&broadcast, source, nil)
//	…
//	err = mux.Publish(ctx, "room/camera.hang", &broadcast)
//	…
//	err = camera.Run(ctx)
//
// The way of a packet: queue (read ahead) → timeline (the source's clock to the
// broadcast's) → schedule (when it is sent) → feed (groups and frames).
package ingest
