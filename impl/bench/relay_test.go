//go:build linux

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/relay"
)

// throughRelay lets viewers read from a relay in a process of its own; their
// process also publishes. The viewers are the same for each relay.
var throughRelay = ends{"relay", "viewers"}

// relays start a relay, and return its address and a function that returns its
// CPU time.
var relays = map[string]func() (addr string, cpu func() time.Duration, err error){
	"ours":      startOurRelay,
	"moq-relay": startMoqRelay,
}

func startOurRelay() (string, func() time.Duration, error) {
	debug.SetGCPercent(100) // as in a program of its own
	r := relay.New()
	server := &impl.Server{Addr: "127.0.0.1:0", Mux: r.Mux(), Handler: r.Handler, TLSConfig: serverTLS("")}
	at, err := server.Listen()
	if err != nil {
		return "", nil, err
	}
	go func() { failed(server.ListenAndServe()) }()
	return at.String(), cpuTime, nil
}

// moqRelay returns the program of the Rust relay; "" if it is not installed.
func moqRelay() string {
	for _, name := range []string{os.Getenv("MOQ_RELAY"), "moq-relay", "../../../shared/peers/bin/moq-relay"} {
		if program, err := exec.LookPath(name); name != "" && err == nil {
			program, _ = filepath.Abs(program)
			return program
		}
	}
	return ""
}

// startMoqRelay starts the Rust relay, which ends with this process.
func startMoqRelay() (string, func() time.Duration, error) {
	addr, err := freePort()
	if err != nil {
		return "", nil, err
	}
	program := moqRelay()
	if err := exec.Command(program, "--version").Run(); err != nil { // it may unpack itself first
		return "", nil, err
	}
	cmd := exec.Command(program, "--listen", addr, "--listen-tls-generate", "localhost", "--web-http-listen", addr, "--auth-public", "**")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	cpu := func() time.Duration { return cpuTimeOf(cmd.Process.Pid) }
	return addr, cpu, awaitMoqRelay(addr)
}

// awaitMoqRelay waits for its web server, which starts last.
func awaitMoqRelay(addr string) error {
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		response, err := http.Get("http://" + addr + "/certificate.sha256")
		if err == nil {
			return response.Body.Close()
		}
		if time.Since(begun) > 10*time.Second {
			return fmt.Errorf("moq-relay does not answer: %w", err)
		}
	}
}

// freePort returns an address that is free for UDP and TCP.
func freePort() (string, error) {
	for {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		addr := udp.LocalAddr().String()
		_ = udp.Close()
		if tcp, err := net.Listen("tcp", addr); err == nil {
			return addr, tcp.Close()
		}
	}
}

// cpuTimeOf returns the CPU time that the threads of another process have used.
func cpuTimeOf(pid int) (total time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range threads {
		text, _ := os.ReadFile(name)
		first, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseInt(first, 10, 64)
		total += time.Duration(ns)
	}
	return total
}

// relay runs a relay, and prints the CPU time that it uses while it is
// measured.
func (t task) relay(orders *bufio.Reader, tell *json.Encoder) error {
	addr, cpu, err := relays[t.Way]()
	if err != nil {
		return err
	}
	if err := tell.Encode(addr); err != nil {
		return err
	}
	if _, err := orders.ReadString('\n'); err != nil {
		return err
	}
	time.Sleep(settling + warmUp)
	began, before := time.Now(), cpu()
	time.Sleep(measure)
	used, elapsed := cpu()-before, time.Since(began)
	over.Store(true)
	return tell.Encode(figure{CPU: used.Seconds(), Seconds: elapsed.Seconds()})
}

// view publishes a track to a relay, and runs viewers that read it there.
func (t task) view(orders *bufio.Reader, tell *json.Encoder) error {
	ctx := context.Background()
	url := "moqt://" + t.Addr
	client := &impl.Client{TLSConfig: clientTLS("")}
	broadcast := new(live.Broadcast)
	track := broadcast.Track("track", api.TrackInfo{MaxLatency: time.Minute})
	mux := api.NewTrackMux()
	if err := mux.Publish(ctx, "bench", broadcast); err != nil {
		return err
	}
	publisher := &impl.Client{TLSConfig: clientTLS("")} // with a hop of its own, or a relay takes its viewers for itself
	if _, err := publisher.Dial(ctx, url, mux); err != nil {
		return err
	}
	var bytes atomic.Int64
	for range t.Audience.Number {
		r, err := subscribeAt(ctx, client, url)
		if err != nil {
			return err
		}
		go func() { failed(readTrack(ctx, r, &bytes)) }()
	}
	if err := t.Audience.fill(track.Paced()); err != nil {
		return err
	}
	go func() { failed(t.Audience.publish(track.Paced())) }()
	return measured(t.Addr, &bytes, orders, tell)
}

// subscribeAt subscribes at a relay as soon as that knows the broadcast.
func subscribeAt(ctx context.Context, client *impl.Client, url string) (api.TrackReader, error) {
	s, err := client.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	return api.SubscribeWhenAnnounced(ctx, s, "bench", "track", &api.SubscribeConfig{StartGroup: api.GroupLatest})
}

// fill makes the relay hold as many groups as are wanted. The viewers subscribe
// before: moq-relay 0.17.10 takes seconds to accept a subscription to so many
// held groups, and serves nobody else meanwhile.
func (a audience) fill(track api.TrackSink) error {
	a.Pause = 0
	for i := range a.Held {
		if err := a.writeGroup(track); err != nil {
			return err
		}
		if i%500 == 0 { // the viewer must keep up
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// BenchmarkRelay reports what a relay costs for each frame that it delivers,
// relative to moq-relay if that is installed. Both run at the same time.
func BenchmarkRelay(b *testing.B) {
	for _, load := range []struct {
		name     string
		audience audience
	}{
		{"200 sessions, 30 frames a second", audience{Number: 200, Pause: time.Second / 30, Size: 1 << 10, Group: 30}},
		{"20 sessions, 200 groups a second", audience{Number: 20, Pause: time.Second / 200, Size: 100, Group: 1}},
		{"1 session, 200 groups a second", audience{Number: 1, Pause: time.Second / 200, Size: 100, Group: 1}},
		{"1 session, 200 groups a second, 30,000 held", audience{Number: 1, Pause: time.Second / 200, Size: 100, Group: 1, Held: 30_000}},
	} {
		b.Run(load.name, load.audience.compareRelays)
	}
}

func (a audience) compareRelays(b *testing.B) {
	ways := []string{"ours"}
	if moqRelay() != "" {
		ways = append(ways, "moq-relay")
	}
	metrics := make(map[string][]float64)
	note := func(metric string, value float64) { metrics[metric] = append(metrics[metric], value) }
	for range b.N {
		outcomes := a.run(b, throughRelay, ways...)
		for i, o := range outcomes {
			note(ways[i]+"-us/frame", o.serverCPU()*float64(a.Size)*1e6)
		}
		if len(outcomes) == 2 {
			note("rate/moq-relay", outcomes[0].rate()/outcomes[1].rate())
			note("relay-cpu/moq-relay", outcomes[0].serverCPU()/outcomes[1].serverCPU())
		}
	}
	report(b, metrics)
}
