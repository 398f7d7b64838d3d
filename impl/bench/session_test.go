//go:build unix

package bench

import (
	"crypto/tls"
	"runtime"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// dials is how many dials a median is of.
const dials = 50

// timed is the median of how long a dial takes, which returns how to end what
// it has made.
func timed(dial func() (end func())) time.Duration {
	var all []time.Duration
	for range dials {
		began := time.Now()
		end := dial()
		all = append(all, time.Since(began))
		end()
		time.Sleep(time.Millisecond) // for the other side's end
	}
	return median(all)
}

// endpoints are a server of ours and one of quic-go, and how to dial them over
// one socket each.
type endpoints struct {
	ours func() api.Session
	bare func() *quic.Conn
	end  func() // of all that was dialled
}

func newEndpoints(b *testing.B) endpoints {
	server := &impl.Server{Addr: "127.0.0.1:0", Mux: api.NewTrackMux(), TLSConfig: serverTLS("")}
	addr, err := server.Listen()
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.ListenAndServe() }()
	client := &impl.Client{TLSConfig: clientTLS("")}
	// The bare side negotiates the same names: they are part of the handshake,
	// of which quic-go holds some for as long as the connection lives.
	var protocols []string
	for _, v := range api.Versions() {
		protocols = append(protocols, string(v))
	}
	bareTLS := serverTLS("")
	bareTLS.NextProtos = protocols
	l, err := quic.ListenAddr("127.0.0.1:0", bareTLS, quicconn.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	e := new(quicconn.Endpoint)
	go func() {
		for {
			if _, err := l.Accept(b.Context()); err != nil {
				return
			}
		}
	}()
	mux := api.NewTrackMux()
	return endpoints{
		func() api.Session {
			s, err := client.Dial(b.Context(), "moqt://"+addr.String(), mux)
			if err != nil {
				b.Fatal(err)
			}
			return s
		},
		func() *quic.Conn {
			c, err := e.Dial(b.Context(), l.Addr().String(), protocols, &tls.Config{InsecureSkipVerify: true}, nil)
			if err != nil {
				b.Fatal(err)
			}
			return c
		},
		func() {
			_ = client.Close()
			_ = server.Close()
			_ = e.Close()
			_ = l.Close()
		},
	}
}

func BenchmarkDial(b *testing.B) {
	e := newEndpoints(b)
	defer e.end()
	var ratios []float64
	for range b.N {
		ours := timed(func() func() {
			s := e.ours()
			return func() { _ = s.Terminate(api.SessionNoError, "") }
		})
		bare := timed(func() func() {
			c := e.bare()
			return func() { _ = c.CloseWithError(0, "") }
		})
		ratios = append(ratios, ours.Seconds()/bare.Seconds())
	}
	report(b, map[string][]float64{"time/plain": ratios})
}

// BenchmarkIdle reports what a session costs more than its connection, both
// ends together.
func BenchmarkIdle(b *testing.B) {
	const sessions = 500
	metrics := make(map[string][]float64)
	for range b.N {
		e := newEndpoints(b)
		var keep []any
		e.bare()
		e.ours()
		costs := func(dial func() any) (heap, goroutines float64) {
			h, g := held()
			for range sessions {
				keep = append(keep, dial())
			}
			time.Sleep(time.Second)
			h2, g2 := held()
			return float64(h2-h) / sessions, float64(g2-g) / sessions
		}
		bareHeap, bareGoroutines := costs(func() any { return e.bare() })
		heap, goroutines := costs(func() any { return e.ours() })
		runtime.KeepAlive(keep)
		keep = nil
		e.end()
		metrics["more-B"] = append(metrics["more-B"], heap-bareHeap)
		metrics["more-goroutines"] = append(metrics["more-goroutines"], goroutines-bareGoroutines)
		metrics["plain-B"] = append(metrics["plain-B"], bareHeap)
	}
	report(b, metrics)
}

// held is what is in memory, but for large objects, which sessions share: the
// buffers that a socket reads into, and tables of connections.
func held() (heap int64, goroutines int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for _, class := range m.BySize {
		heap += int64(class.Size) * int64(class.Mallocs-class.Frees)
	}
	return heap, runtime.NumGoroutine()
}
