package wtconn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// The request has the form that the server's settings call for.
func TestGenerations(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[uint64]uint64
		token    string // empty: the dial fails
	}{
		"draft 02":        {map[uint64]uint64{0x2b603742: 1}, "webtransport"},
		"draft 07":        {map[uint64]uint64{0xc671706a: 1}, "webtransport"},
		"a relay":         {map[uint64]uint64{0x2b603742: 1, 0x2b603743: 1, 0xc671706a: 1}, "webtransport"},
		"the newest":      {map[uint64]uint64{0x2c7cf000: 1}, "webtransport-h3"},
		"the newest, old": {map[uint64]uint64{0x2c7cf000: 1, 0x2b603742: 1}, "webtransport"},
		"Safari's":        {map[uint64]uint64{0x14e9cd29: 1}, "webtransport"},
		"none":            {map[uint64]uint64{}, ""},
		"switched off":    {map[uint64]uint64{0x2b603742: 0, 0x2c7cf000: 0}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			transporttest.NoLeaks(t)
			requests := make(chan *http.Request, 1)
			p := newPeer(t, &peer{settings: c.settings, answer: func(_ *quic.Conn, w http.ResponseWriter, r *http.Request) {
				requests <- r
				accept(w)
			}})
			if c.token == "" {
				wantDialError(t, dialFails(t, p.dialer, p.url()), transport.PhaseUpgrade, "not WebTransport")
				return
			}
			p.dialer.Header = http.Header{"X-Mine": {"1"}}
			target, err := transport.ParseURL(p.url())
			if err != nil {
				t.Fatal(err)
			}
			target.Options.Header = http.Header{"X-Once": {"2"}}
			client, err := p.dialer.DialTarget(t.Context(), target, []string{"moq-lite-07", protocol})
			if err != nil {
				t.Fatal(err)
			}
			client.CloseWithError(0, "")
			r := <-requests
			if r.Method != http.MethodConnect || r.Proto != c.token || r.RequestURI != "/live?token=x" || r.Host != p.listener.Addr().String() {
				t.Errorf("the request is %s %s %s %s", r.Method, r.Proto, r.Host, r.RequestURI)
			}
			if got := r.Header["Wt-Available-Protocols"]; len(got) != 1 || got[0] != `"moq-lite-07", "moq-lite-06"` {
				t.Errorf("offered %q", got)
			}
			if r.Header.Get("X-Mine") != "1" || r.Header.Get("X-Once") != "2" {
				t.Error("the user's header is missing")
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	transporttest.NoLeaks(t)
	var chosen atomic.Pointer[[]string]
	p := newPeer(t, &peer{settings: map[uint64]uint64{0x2b603742: 1}, answer: func(_ *quic.Conn, w http.ResponseWriter, r *http.Request) {
		w.Header()["Wt-Protocol"] = *chosen.Load()
		w.WriteHeader(http.StatusOK)
	}})
	for _, c := range [][]string{
		nil, {""}, {protocol}, {`"moq-lite-99"`}, {`"` + protocol}, {`"` + protocol + `"`, `"moq-lite-05"`}, {`6`}, {`"` + protocol + `", "x"`},
	} {
		chosen.Store(&c)
		err := dialFails(t, p.dialer, p.url())
		wantDialError(t, err, transport.PhaseNegotiate, "the server", transport.ErrNoCommonProtocol)
	}
	chosen.Store(&[]string{`"` + protocol + `";q=1`})
	p.dial(t)
}

// A redirect is an error that says where it leads.
func TestRedirect(t *testing.T) {
	transporttest.NoLeaks(t)
	p := newPeer(t, &peer{settings: map[uint64]uint64{0x2b603742: 1}, answer: func(_ *quic.Conn, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://user:secret@other.example/live?jwt=secret")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}})
	err := dialFails(t, p.dialer, p.url())
	wantDialError(t, err, transport.PhaseUpgrade, "307 Temporary Redirect, a redirect to https://other.example/live?")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("it tells credentials: %v", err)
	}
}

func TestServerCloses(t *testing.T) {
	transporttest.NoLeaks(t)
	p := newPeer(t, &peer{settings: map[uint64]uint64{0x2b603742: 1}, answer: func(q *quic.Conn, _ http.ResponseWriter, _ *http.Request) {
		q.CloseWithError(0, "")
	}})
	wantDialError(t, dialFails(t, p.dialer, p.url()), transport.PhaseUpgrade, "closed the connection")
}

func TestNoSettings(t *testing.T) {
	transporttest.NoLeaks(t)
	p := newPeer(t, &peer{})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := p.dialer.Dial(ctx, p.url(), []string{protocol})
	wantDialError(t, err, transport.PhaseUpgrade, "deadline", context.DeadlineExceeded)
}

// openAs opens a stream on q that begins with the given varints.
func openAs(t *testing.T, q *quic.Conn, numbers ...uint64) *quic.SendStream {
	t.Helper()
	s, err := q.OpenUniStream()
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, n := range numbers {
		b = quicvarint.Append(b, n)
	}
	if _, err := s.Write(append(b, "hello"...)); err != nil {
		t.Fatal(err)
	}
	return s
}

// Streams may arrive before the response to the request of their session, up
// to a limit.
func TestEarlyStreams(t *testing.T) {
	transporttest.NoLeaks(t)
	const early = 80
	var rejected int
	counted := make(chan struct{})
	p := newPeer(t, &peer{settings: map[uint64]uint64{0x2b603742: 1}, answer: func(q *quic.Conn, w http.ResponseWriter, r *http.Request) {
		defer close(counted)
		var streams []*quic.SendStream
		for range early {
			streams = append(streams, openAs(t, q, 0x54, 0))
		}
		time.Sleep(100 * time.Millisecond)
		for _, s := range streams {
			e, ok := errors.AsType[*quic.StreamError](context.Cause(s.Context()))
			if ok && e.ErrorCode == 0x3994bd84 {
				rejected++
			}
			s.Close()
		}
		accept(w)
	}})
	client := p.dial(t)
	<-counted
	if rejected != early-64 {
		t.Errorf("%d of %d streams were rejected", rejected, early)
	}
	for range early - rejected {
		r, err := client.AcceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); string(b) != "hello" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
	}
}

// Streams of sessions that do not exist are rejected, and harm nothing.
func TestForeignStreams(t *testing.T) {
	transporttest.NoLeaks(t)
	client, q, _ := session(t)
	for _, numbers := range [][]uint64{{0x54, 4}, {0x54, 1<<62 - 1}} {
		s := openAs(t, q, numbers...)
		<-s.Context().Done()
		if e, ok := errors.AsType[*quic.StreamError](context.Cause(s.Context())); !ok || e.ErrorCode != 0x3994bd84 {
			t.Errorf("%#x: %v", numbers, context.Cause(s.Context()))
		}
	}
	b, err := q.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	b.Write([]byte{0x40, 0x41, 0x08})
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, &quic.StreamError{StreamID: b.StreamID(), ErrorCode: 0x3994bd84, Remote: true}) {
		t.Errorf("Read: %v", err)
	}
	s := openAs(t, q, 0x21) // no WebTransport at all
	<-s.Context().Done()

	own := openAs(t, q, 0x54, 0)
	own.Close()
	r, err := client.AcceptUniStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); string(b) != "hello" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
}

// Streams that are reset or end before their type has arrived free their
// places. There are few at a time here, because quic-go treats many as a
// flood.
func TestNamelessStreams(t *testing.T) {
	transporttest.NoLeaks(t)
	conf := quicconn.DefaultConfig()
	conf.MaxIncomingUniStreams = 100
	client, q, _ := sessionWith(t, conf)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i := range 5_000 {
		s, err := q.OpenUniStreamSync(ctx)
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		if i%2 == 0 {
			s.Close()
		} else {
			s.CancelWrite(0)
		}
	}
	if err := context.Cause(client.Context()); err != nil {
		t.Fatal(err)
	}
}

func capsule(kind uint64, body []byte) []byte {
	b := quicvarint.Append(nil, kind)
	b = quicvarint.Append(b, uint64(len(body)))
	return append(b, body...)
}

var longReason = strings.Repeat("x", 2000)

func mapped(code uint64) quic.ApplicationErrorCode {
	return quic.ApplicationErrorCode(0x52e4a40fa8db + code + code/0x1e)
}

// How a peer may end a session, and what that means.
var peerEnds = map[string]struct {
	end  func(q *quic.Conn, s *http3.Stream)
	want transport.ConnError
	err  bool
}{
	"by a capsule": {
		func(_ *quic.Conn, s *http3.Stream) {
			s.Write(capsule(0x2843, []byte("\x00\x00\x00\x33not found")))
		},
		transport.ConnError{Code: 0x33, Reason: "not found", Remote: true}, false,
	},
	"by a capsule after others": {
		func(_ *quic.Conn, s *http3.Stream) {
			s.Write(capsule(0x78ae, nil))
			s.Write(capsule(0x1234, make([]byte, 1<<20)))
			s.Write(capsule(0x2843, []byte("\x00\x00\x00\x02")))
		},
		transport.ConnError{Code: 2, Remote: true}, false,
	},
	"with a long reason": {
		func(_ *quic.Conn, s *http3.Stream) { s.Write(capsule(0x2843, []byte("\xff\xff\xff\xff"+longReason))) },
		transport.ConnError{Code: 1<<32 - 1, Reason: longReason[:1024], Remote: true}, false,
	},
	"by the end of the stream": {
		func(_ *quic.Conn, s *http3.Stream) { s.Close() },
		transport.ConnError{Remote: true}, false,
	},
	"by a reset": {
		func(_ *quic.Conn, s *http3.Stream) { s.CancelWrite(0x102) },
		transport.ConnError{Remote: true}, true,
	},
	"by a reset with a code": {
		func(_ *quic.Conn, s *http3.Stream) { s.CancelWrite(quic.StreamErrorCode(mapped(7))) },
		transport.ConnError{Code: 7, Remote: true}, false,
	},
	"by a broken capsule": {
		func(_ *quic.Conn, s *http3.Stream) { s.Write([]byte{0x68, 0x43, 9, 0}); s.Close() },
		transport.ConnError{}, true,
	},
	"by QUIC": {
		func(q *quic.Conn, _ *http3.Stream) { q.CloseWithError(mapped(0x33), "why") },
		transport.ConnError{Code: 0x33, Reason: "why", Remote: true}, false,
	},
	"by QUIC without error": {
		func(q *quic.Conn, _ *http3.Stream) { q.CloseWithError(0x100, "") },
		transport.ConnError{Remote: true}, false,
	},
	"by QUIC with an error of HTTP/3": {
		func(q *quic.Conn, _ *http3.Stream) { q.CloseWithError(0x101, "") },
		transport.ConnError{Remote: true}, true,
	},
}

func TestPeerEnds(t *testing.T) {
	for name, c := range peerEnds {
		t.Run(name, func(t *testing.T) {
			transporttest.NoLeaks(t)
			client, q, request := session(t)
			c.end(q, request)
			got := *wantEnd(t, client)
			if (got.Err != nil) != c.err {
				t.Errorf("the error is %v", got.Err)
			}
			if got.Err = nil; got != c.want {
				t.Errorf("it ends with %+v, want %+v", got, c.want)
			}
			select {
			case <-q.Context().Done(): // the client does not keep what is over
			case <-time.After(10 * time.Second):
				t.Error("the QUIC connection lives on")
			}
		})
	}
}

// A peer that reads nothing and ends nothing cannot delay a close, and is told
// nevertheless.
func TestCloseOfDeafPeer(t *testing.T) {
	transporttest.NoLeaks(t)
	client, q, _ := session(t)
	start := time.Now()
	client.CloseWithError(0x33, "gone")
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
	<-q.Context().Done()
	e, ok := errors.AsType[*quic.ApplicationError](context.Cause(q.Context()))
	if !ok || e.ErrorCode != 0x52e4a40fa90f || e.ErrorMessage != "gone" {
		t.Errorf("the peer sees %v", context.Cause(q.Context()))
	}
}

// Checks what the peer reads of a close.
func TestCloseCapsule(t *testing.T) {
	transporttest.NoLeaks(t)
	client, q, request := session(t)
	read := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(request)
		read <- b
		request.Close()
	}()
	client.CloseWithError(3, "protocol violation")
	if want := []byte("\x68\x43\x16\x00\x00\x00\x03protocol violation"); !bytes.Equal(<-read, want) {
		t.Errorf("the peer reads % x", want)
	}
	<-q.Context().Done()
}

func TestDatagramPrefix(t *testing.T) {
	transporttest.NoLeaks(t)
	client, q, request := session(t)
	if err := client.(transport.DatagramConn).SendDatagram([]byte("up")); err != nil {
		t.Fatal(err)
	}
	if b, err := request.ReceiveDatagram(t.Context()); string(b) != "up" || err != nil {
		t.Errorf("received %q, %v", b, err)
	}
	q.SendDatagram([]byte("\x01not for this session"))
	q.SendDatagram([]byte("\x00down"))
	if b, err := client.(transport.DatagramConn).ReceiveDatagram(t.Context()); string(b) != "down" || err != nil {
		t.Errorf("received %q, %v", b, err)
	}
}
