//go:build unix

package interop_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"
)

// recordPace is the pause between two records of a device.
const recordPace = 100 * time.Millisecond

// TestFleetSurvivesRestarts has devices, each of which writes numbered records to
// a log of its own, and two dashboards that read all logs, through a relay of
// ours that is restarted again and again: by SIGTERM, and by SIGKILL. Each record
// has to come to each dashboard once, and in order. With MOQ_INTEROP=full there
// are fifty devices and ten restarts.
func TestFleetSurvivesRestarts(t *testing.T) {
	devices, rounds := 12, 1
	if os.Getenv("MOQ_INTEROP") == "full" {
		devices, rounds = 50, 5
	}
	for _, test := range []struct {
		name string
		kind logKind
		args []string // of the relay
	}{
		{"a group a record", groupARecord{}, nil},
		{"one open group", openGroup{}, []string{"--drain-timeout", "3s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, test.kind, test.args)
			for i := range devices {
				f.addDevice(api.BroadcastPath(fmt.Sprintf("fleet/%02d", i)), []string{"moqt", "https", "tcp"}[i%3])
			}
			f.addDashboard("moqt")
			f.addDashboard("https")
			f.awaitAll()
			for range rounds {
				f.restart(syscall.SIGTERM)
				f.restart(syscall.SIGKILL)
			}
			f.end()
		})
	}
}

// A logKind is how a log is written, and how it is read without a loss.
type logKind interface {
	// write writes the records of a device, until ctx ends.
	write(ctx context.Context, d *device)
	// read reads a log to its end, and passes each record to record.
	read(ctx context.Context, s api.Session, path api.BroadcastPath, record func(payload []byte)) error
}

// A fleet is the devices and the dashboards of one relay.
type fleet struct {
	t     *testing.T
	kind  logKind
	addr  string
	args  []string // of the relay
	relay *process

	devices          []*device
	views            []*view
	writing, reading sync.WaitGroup
	life             context.Context // of the logs
	stop             context.CancelFunc

	mu      sync.Mutex
	ended   syscall.Signal // how the last relay did
	silence map[syscall.Signal]time.Duration
}

func newFleet(t *testing.T, kind logKind, args []string) *fleet {
	f := &fleet{t: t, kind: kind, addr: freePort(t), args: args, silence: make(map[syscall.Signal]time.Duration)}
	f.life, f.stop = context.WithCancel(t.Context())
	f.serve()
	return f
}

// serve starts the relay.
func (f *fleet) serve() {
	f.relay = moq(f.t, append([]string{"relay", "--listen", f.addr, "--json"}, f.args...)...)
	f.relay.expect("ready")
}

// dial dials a lasting session. Relays follow each other faster here than where
// they are restarted by hand: so waits do not grow beyond two seconds.
func (f *fleet) dial(scheme string, mux *api.TrackMux) api.Session {
	f.t.Helper()
	client := &impl.Client{TLSConfig: &tls.Config{InsecureSkipVerify: true}}
	f.t.Cleanup(func() { _ = client.Close() })
	s, err := redial.New(client, redial.Policy{MaxInterval: 2 * time.Second}).Dial(f.t.Context(), scheme+"://"+f.addr, mux)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// logInfo describes a log. Nothing in it becomes too old while a test lasts.
var logInfo = api.TrackInfo{MaxLatency: time.Hour}

// A device publishes a log.
type device struct {
	path  api.BroadcastPath
	track *live.Track

	mu      sync.Mutex
	written int // records
}

// addDevice starts a device.
func (f *fleet) addDevice(path api.BroadcastPath, scheme string) {
	f.t.Helper()
	mux, b := api.NewTrackMux(), new(live.Broadcast)
	d := &device{path: path, track: b.Track(track, logInfo)}
	if err := mux.Publish(f.t.Context(), path, b); err != nil {
		f.t.Fatal(err)
	}
	f.dial(scheme, mux)
	f.devices = append(f.devices, d)
	f.writing.Go(func() {
		f.kind.write(f.life, d)
		_ = d.track.Close()
	})
}

// next returns the next record.
func (d *device) next() api.Frame {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written++
	return api.Frame{Timestamp: logInfo.Timestamp(time.Now()), Payload: fmt.Appendf(nil, "%s %d", d.path, d.written-1)}
}

func (d *device) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.written
}

// A view is what a dashboard has of a device.
type view struct {
	fleet  *fleet
	name   string
	device *device

	mu   sync.Mutex
	next int       // record
	last time.Time // when the one before came
	err  error     // with which reading has ended; errReading until then
}

var errReading = errors.New("it is still read")

// addDashboard begins to read the logs of all devices, by one session.
func (f *fleet) addDashboard(scheme string) {
	f.t.Helper()
	s := f.dial(scheme, nil)
	for _, d := range f.devices {
		v := &view{fleet: f, name: fmt.Sprintf("%s over %s", d.path, scheme), device: d, err: errReading}
		f.views = append(f.views, v)
		f.reading.Go(func() {
			err := f.kind.read(f.t.Context(), s, d.path, v.record)
			v.mu.Lock()
			defer v.mu.Unlock()
			v.err = err
		})
	}
}

// record notes a record that has come.
func (v *view) record(payload []byte) {
	var path api.BroadcastPath
	var n int
	if _, err := fmt.Sscanf(string(payload), "%s %d", &path, &n); err != nil || path != v.device.path {
		v.fleet.t.Errorf("%s: record %q, %v", v.name, payload, err)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if n != v.next {
		v.fleet.t.Errorf("%s: record %d, want %d", v.name, n, v.next)
	}
	now := time.Now()
	if v.next > 0 {
		v.fleet.noteSilence(now.Sub(v.last))
	}
	v.next, v.last = n+1, now
}

func (f *fleet) noteSilence(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silence[f.ended] = max(f.silence[f.ended], d)
}

// restart ends the relay by a signal, starts it again, and waits until all
// dashboards have read on.
func (f *fleet) restart(by syscall.Signal) {
	f.t.Helper()
	f.mu.Lock()
	f.ended = by
	f.mu.Unlock()
	began := time.Now()
	since := func() time.Duration { return time.Since(began).Round(time.Millisecond) }
	f.relay.signal(by)
	<-f.relay.exited
	gone := since()
	f.serve()
	back := since()
	f.awaitAll()
	f.t.Logf("%v: the relay gone after %v, back after %v, and all logs read on after %v", by, gone, back, since())
}

// awaitAll waits until all dashboards have read what has been written, and more.
func (f *fleet) awaitAll() {
	f.t.Helper()
	want := make(map[*device]int)
	for _, d := range f.devices {
		want[d] = d.count() + 1
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		var behind []string
		for _, v := range f.views {
			v.mu.Lock()
			if v.next < want[v.device] {
				behind = append(behind, fmt.Sprintf("%s: %d of %d, %v", v.name, v.next, want[v.device], v.err))
			}
			v.mu.Unlock()
		}
		if len(behind) == 0 {
			return
		}
		if time.Since(began) > limit {
			f.showGoroutines()
			f.t.Fatalf("not read within %v: %q", limit, behind)
		}
	}
}

// showGoroutines adds what everybody does to the report: without that, nobody can
// tell why a log does not go on.
func (f *fleet) showGoroutines() {
	f.relay.signal(syscall.SIGQUIT) // its output is a part of the report
	<-f.relay.exited
	stacks := make([]byte, 64<<20)
	f.t.Logf("the devices and dashboards:\n%s", stacks[:runtime.Stack(stacks, true)])
}

// end ends the logs, and checks that all was read.
func (f *fleet) end() {
	f.t.Helper()
	f.stop()
	f.writing.Wait()
	over := make(chan struct{})
	go func() {
		f.reading.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-time.After(limit):
	}
	written := 0
	for _, d := range f.devices {
		written += d.count()
	}
	for _, v := range f.views {
		v.mu.Lock()
		if v.err != nil || v.next != v.device.count() {
			f.t.Errorf("%s: %d records of %d; %v", v.name, v.next, v.device.count(), v.err)
		}
		v.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t.Logf("%d records of %d devices; longest silence after SIGTERM %v, after SIGKILL %v", written, len(f.devices),
		f.silence[syscall.SIGTERM].Round(time.Millisecond), f.silence[syscall.SIGKILL].Round(time.Millisecond))
}

// groupARecord is a log in which each record is a group. It is read by number,
// and what is missing is fetched: of many records that are sent at once, the
// newest come first, and a restart cuts off those before them.
type groupARecord struct{}

func (groupARecord) write(ctx context.Context, d *device) {
	for ctx.Err() == nil {
		_ = api.WriteGroup(context.WithoutCancel(ctx), d.track, d.next())
		time.Sleep(recordPace)
	}
}

func (groupARecord) read(ctx context.Context, s api.Session, path api.BroadcastPath, record func([]byte)) error {
	r, err := api.SubscribeWhenAnnounced(ctx, s, path, track, &api.SubscribeConfig{Resume: true})
	if err != nil {
		return err
	}
	defer r.Close()
	fetch := func(ctx context.Context, seq api.GroupSequence) (api.GroupReader, error) {
		return s.Fetch(ctx, api.FetchRequest{Path: path, Name: track, Group: seq})
	}
	var problems []error
	for g, err := range api.Ordered(ctx, r, &api.OrderedConfig{Patience: limit, Fetch: fetch}) {
		if err == nil {
			err = readRecords(g, record)
		}
		// What was fetched ends with its session: it is fetched again.
		for again := g; again != nil && err != nil && ctx.Err() == nil; {
			if again, err = fetch(ctx, g.Sequence()); err == nil {
				err = readRecords(again, record)
			}
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// openGroup is a log that is one group, which is read on when it breaks off.
type openGroup struct{}

func (openGroup) write(ctx context.Context, d *device) {
	g, err := d.track.OpenGroup(ctx)
	if err != nil {
		return
	}
	defer g.Close()
	for ctx.Err() == nil {
		_ = g.WriteFrame(d.next())
		time.Sleep(recordPace)
	}
}

func (openGroup) read(ctx context.Context, s api.Session, path api.BroadcastPath, record func([]byte)) error {
	r, err := api.SubscribeWhenAnnounced(ctx, s, path, track, &api.SubscribeConfig{Resume: true})
	if err != nil {
		return err
	}
	defer r.Close()
	var problems []error
	for g, err := range api.Groups(ctx, r) {
		if err == nil {
			err = readRecords(g, record)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// readRecords reads a group to its end.
func readRecords(g api.GroupReader, record func([]byte)) error {
	for f, err := range api.Frames(context.Background(), g, nil) {
		if err != nil {
			return err
		}
		record(f.Payload)
	}
	return nil
}
