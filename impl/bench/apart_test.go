//go:build unix

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"sync/atomic"
	"testing"
	"time"
)

// settling is how long connections take to find the largest packet size.
const settling = time.Second

// A figure is what one end of a fan-out has used and carried while it was
// measured.
type figure struct{ CPU, Bytes, Seconds float64 }

// serve is the process of a fan-out's server.
func (t task) serve(orders *bufio.Reader, tell *json.Encoder) error {
	addr, err := fanOuts[t.Way].serve(t.Audience)
	if err != nil {
		return err
	}
	return measured(addr, new(atomic.Int64), orders, tell)
}

// read is the process of its audience.
func (t task) read(orders *bufio.Reader, tell *json.Encoder) error {
	var bytes atomic.Int64
	if err := fanOuts[t.Way].read(t.Audience, t.Addr, &bytes); err != nil {
		return err
	}
	return measured(t.Addr, &bytes, orders, tell)
}

// measured prints the address of an end, and then measures it whenever it is
// told to.
func measured(addr string, bytes *atomic.Int64, orders *bufio.Reader, tell *json.Encoder) error {
	if err := tell.Encode(addr); err != nil {
		return err
	}
	if _, err := orders.ReadString('\n'); err != nil {
		return err
	}
	time.Sleep(settling)
	s := sampled(bytes.Load)
	over.Store(true)
	return tell.Encode(figure{s.cpu.Seconds(), s.done, s.elapsed.Seconds()})
}

// An outcome is the figures of both ends of one way.
type outcome struct{ server, audience figure }

// An ends names the works of the two processes of a way.
type ends struct{ server, audience string }

// direct has no relay between the publisher and the audience.
var direct = ends{"server", "audience"}

// run runs several ways at the same time.
func (a audience) run(b *testing.B, e ends, ways ...string) (outcomes []outcome) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	var all []*process
	for _, way := range ways {
		t := task{Work: e.server, Way: way, Audience: a}
		server := t.start(ctx, b)
		server.hear(b, &t.Addr)
		t.Work = e.audience
		audience := t.start(ctx, b)
		audience.hear(b, &t.Addr)
		all = append(all, server, audience)
	}
	for _, p := range all {
		if _, err := io.WriteString(p.in, "measure\n"); err != nil {
			b.Fatal(err)
		}
	}
	figures := make([]figure, len(all))
	for i, p := range all {
		p.hear(b, &figures[i])
	}
	for i, p := range all {
		p.end(b)
		if i%2 == 0 {
			outcomes = append(outcomes, outcome{figures[i], figures[i+1]})
		} else if figures[i].Bytes == 0 {
			b.Fatalf("%s has got nothing", p.name)
		}
	}
	return outcomes
}

func (o outcome) rate() float64      { return o.audience.Bytes / o.audience.Seconds }
func (o outcome) serverCPU() float64 { return o.server.CPU / o.audience.Bytes }
func (o outcome) cpu() float64       { return (o.server.CPU + o.audience.CPU) / o.audience.Bytes }

// over adds the ratios of o to a twin to the metrics.
func (o outcome) over(twin outcome, name string, metrics map[string][]float64) {
	for metric, value := range map[string]float64{
		"ours/s":             o.rate(),
		"rate/" + name:       o.rate() / twin.rate(),
		"cpu/" + name:        o.cpu() / twin.cpu(),
		"server-cpu/" + name: o.serverCPU() / twin.serverCPU(),
	} {
		metrics[metric] = append(metrics[metric], value)
	}
}
