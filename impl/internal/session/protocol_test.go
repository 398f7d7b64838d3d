package session_test

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

// hop is the session's own hop id in these tests: 777, encoded as 4309.
const hop = 777

// A rawPeer is a session's peer that sends and expects literal bytes.
type rawPeer struct {
	t    *testing.T
	conn transport.Conn
}

// inBubble runs a test against a server's session of a version.
func inBubble(t *testing.T, v api.Version, mux *api.TrackMux, f func(p *rawPeer, s *session.Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := memconn.Pipe(string(v), nil, nil)
		s, err := session.New(server, session.Options{Hop: hop, Mux: mux, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		p := &rawPeer{t, client}
		if v == api.Lite05 || v == api.Lite06 {
			p.uni("01 01 00")
		}
		f(p, s)
		_ = s.Terminate(api.SessionNoError, "")
		_ = client.CloseWithError(0, "")
	})
}

func (p *rawPeer) bytes(text string) []byte { return decode(text) }

// decode returns the bytes of a hexadecimal text of the test.
func decode(text string) []byte {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "").Replace(text))
	if err != nil {
		panic(err)
	}
	return b
}

// uni opens a unidirectional stream, writes bytes and ends it.
func (p *rawPeer) uni(text string) transport.SendStream {
	p.t.Helper()
	st, err := p.conn.OpenUniStream(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := st.Write(p.bytes(text)); err != nil {
		p.t.Fatal(err)
	}
	_ = st.Close()
	return st
}

// bidi opens a bidirectional stream, writes bytes and leaves it open.
func (p *rawPeer) bidi(text string) transport.Stream {
	p.t.Helper()
	st, err := p.conn.OpenStream(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := st.Write(p.bytes(text)); err != nil {
		p.t.Fatal(err)
	}
	return st
}

// expect reads exactly these bytes.
func (p *rawPeer) expect(st io.Reader, text string) {
	p.t.Helper()
	want := p.bytes(text)
	got := make([]byte, len(want))
	n, err := io.ReadFull(st, got)
	if err != nil || string(got) != string(want) {
		p.t.Fatalf("read % x, %v; want % x", got[:n], err, want)
	}
}

// expectReset checks that the stream is reset with a code.
func (p *rawPeer) expectReset(st io.Reader, code uint64) {
	p.t.Helper()
	_, err := io.ReadAll(st)
	reset, ok := errors.AsType[*transport.StreamError](err)
	if !ok || !reset.Remote || reset.Code != code {
		p.t.Fatalf("the stream ended with %v, want a reset with %#x", err, code)
	}
}

func TestSetupComesFirst(t *testing.T) {
	for _, test := range []struct {
		version api.Version
		want    string
	}{
		{api.Lite05, "01 08 02 01 01 01 05 02 4309"},
		{api.Lite06, "01 08 02 01 01 01 05 02 4309"},
	} {
		inBubble(t, test.version, api.NewTrackMux(), func(p *rawPeer, s *session.Session) {
			st, err := p.conn.AcceptUniStream(p.t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p.expect(st, test.want)
			if _, err := st.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("after SETUP: %v, want its end", err)
			}
		})
	}
}

func TestWhatEndsTheSession(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(p *rawPeer)
		code api.SessionErrorCode
	}{
		{"second SETUP", func(p *rawPeer) { p.uni("01 01 00") }, api.SessionProtocolViolation},
		{"second GOAWAY", func(p *rawPeer) { p.bidi("05 01 00"); synctest.Wait(); p.bidi("05 01 00") }, api.SessionProtocolViolation},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, api.Lite06, api.NewTrackMux(), func(p *rawPeer, s *session.Session) {
				synctest.Wait()
				test.do(p)
				<-p.conn.Context().Done()
				err := context.Cause(p.conn.Context())
				closed, ok := errors.AsType[*transport.ConnError](err)
				if !ok || closed.Code != uint64(test.code) {
					t.Errorf("closed with %v, want %v", err, test.code)
				}
				<-s.Context().Done()
				err = context.Cause(s.Context())
				ended, ok := errors.AsType[*api.SessionError](err)
				if !ok || ended.Code != test.code || ended.Remote {
					t.Errorf("the session ended with %v", err)
				}
			})
		})
	}
}

func TestMalformedSetupEndsTheSession(t *testing.T) {
	for name, text := range map[string]string{
		"truncated body":     "01 05 01 05",
		"duplicate":          "01 07 02 010101 010101",
		"trailing in varint": "01 05 01 01 02 0101",
		"path is not UTF-8":  "01 04 01 02 01 ff",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := memconn.Pipe(string(api.Lite06), nil, nil)
				s, err := session.New(server, session.Options{Hop: hop, Mux: api.NewTrackMux(), Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				(&rawPeer{t, client}).uni(text)
				s.Wait()
				err = context.Cause(s.Context())
				ended, ok := errors.AsType[*api.SessionError](err)
				if !ok || ended.Code != api.SessionProtocolViolation {
					t.Errorf("the session ended with %v, want a violation", err)
				}
			})
		})
	}
}

func TestMissingSetupEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memconn.Pipe(string(api.Lite06), nil, nil)
		defer client.CloseWithError(0, "")
		began := time.Now()
		s, err := session.New(server, session.Options{
			Hop: hop, Mux: api.NewTrackMux(), Logger: slog.New(slog.DiscardHandler),
			Config: &api.Config{SetupTimeout: 3 * time.Second},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Wait()
		err = context.Cause(s.Context())
		ended, ok := errors.AsType[*api.SessionError](err)
		if !ok || ended.Code != api.SessionControlTimeout {
			t.Errorf("the session ended with %v", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestUnknownProtocolIsRefused(t *testing.T) {
	for _, name := range []string{"", "moq-lite-02", "moq-lite-06-wip", "h3"} {
		synctest.Test(t, func(t *testing.T) {
			client, server := memconn.Pipe(name, nil, nil)
			_, err := session.New(server, session.Options{Hop: hop, Mux: api.NewTrackMux(), Logger: slog.New(slog.DiscardHandler)})
			if !errors.Is(err, api.ErrUnsupportedVersion) {
				t.Errorf("%q: %v", name, err)
			}
			<-client.Context().Done()
			err = context.Cause(client.Context())
			closed, ok := errors.AsType[*transport.ConnError](err)
			if !ok || closed.Code != uint64(api.SessionVersionNegotiationFailed) {
				t.Errorf("%q: the peer saw %v", name, err)
			}
		})
	}
}

// TestWhatIsRefused sends requests that are refused without ending the session.
func TestWhatIsRefused(t *testing.T) {
	for _, test := range []struct {
		name    string
		version api.Version
		bytes   string
		code    uint64
	}{
		{"unknown stream type", api.Lite06, "2a 01 00", 1},
		{"auth", api.Lite06, "07 01 00", 1},
		{"GOAWAY on 03", api.Lite03, "05 01 00", 1},
		{"FETCH on 04", api.Lite04, "03 0d 0464656d6f 05766964656f 7f 05", 1},
		{"TRACK on 04", api.Lite04, "06 0b 0464656d6f 05766964656f", 1},
		{"TRACK of an unknown broadcast", api.Lite06, "06 0b 0464656d6f 05766964656f", 0x36},
		{"SUBSCRIBE to an unknown broadcast", api.Lite06, "02 13 00 0464656d6f 05766964656f 7f 5388 00 00 00 00", 0x36},
		{"SUBSCRIBE with bytes left over", api.Lite06, "02 14 00 0464656d6f 05766964656f 7f 5388 00 00 00 00 00", 1},
		{"SUBSCRIBE above the limit", api.Lite06, "02 80ffffff", 1},
		{"end frame without an end group", api.Lite06, "02 13 00 0464656d6f 05766964656f 7f 5388 00 00 00 01", 1},
		{"prefix that is not UTF-8", api.Lite06, "01 02 01 ff", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, test.version, api.NewTrackMux(), func(p *rawPeer, s *session.Session) {
				p.expectReset(p.bidi(test.bytes), test.code)
				if s.Context().Err() != nil {
					t.Errorf("the session ended: %v", context.Cause(s.Context()))
				}
			})
		})
	}
}

// TestPublisherOnTheWire compares the bytes that a subscriber of moq-lite-06 receives with
// an example of the wire format.
func TestPublisherOnTheWire(t *testing.T) {
	mux := api.NewTrackMux()
	info := func(context.Context, api.TrackRequest) (api.TrackInfo, error) { return api.TrackInfo{}, nil }
	serve := func(w api.TrackWriter) {
		g, err := w.OpenGroupAt(w.Context(), 5)
		if err != nil {
			t.Error(err)
			return
		}
		_ = g.WriteFrame(api.Frame{Timestamp: 1000, Payload: []byte("hello")})
		_ = g.WriteFrame(api.Frame{Timestamp: 1033, Payload: []byte("abc")})
		_ = g.Close()
		g, err = w.OpenGroupAt(w.Context(), 7)
		if err != nil {
			t.Error(err)
			return
		}
		_ = g.Close()
	}
	if err := mux.Publish(t.Context(), "demo", api.TrackFuncs{Serve: serve, Info: info}); err != nil {
		t.Fatal(err)
	}
	inBubble(t, api.Lite06, mux, func(p *rawPeer, s *session.Session) {
		if _, err := p.conn.AcceptUniStream(p.t.Context()); err != nil { // its SETUP
			t.Fatal(err)
		}
		announce := p.bidi("01 01 00")
		p.expect(announce, "03 4309 01 | 00 08 0464656d6f 00 00 00")
		track := p.bidi("06 0b 0464656d6f 05766964656f")
		p.expect(track, "05 7f 5388 43e8")
		subscribe := p.bidi("02 13 00 0464656d6f 05766964656f 7f 5388 00 00 00 00")
		p.expect(subscribe, "00 01 05")
		groups := map[byte]string{
			5: "00 03 00 05 00 | 47d0 05 68656c6c6f | 4042 03 616263",
			7: "00 03 00 07 00",
		}
		for range groups {
			st, err := p.conn.AcceptUniStream(p.t.Context())
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(st)
			if err != nil || len(b) < 5 || hex.EncodeToString(b) != hex.EncodeToString(p.bytes(groups[b[3]])) {
				t.Errorf("group stream % x, %v", b, err)
			}
		}
		p.expect(subscribe, "02 03 06 06 33 | 01 01 08") // group 6 was never made
		if _, err := subscribe.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after END: %v, want the end of the stream", err)
		}
		if n := s.Stats().Publications; n != 1 {
			t.Errorf("%d publications before the subscriber's answer, want 1", n)
		}
		_ = subscribe.Close()
		synctest.Wait()
		if n := s.Stats().Publications; n != 0 {
			t.Errorf("%d publications after it, want none", n)
		}
	})
}

func TestUnsubscribingEndsTheHandler(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			mux := api.NewTrackMux()
			var left error
			err := mux.PublishFunc(t.Context(), "demo", func(w api.TrackWriter) {
				<-w.Context().Done()
				left = context.Cause(w.Context())
			})
			if err != nil {
				t.Fatal(err)
			}
			subscribe := "02 11 00 0464656d6f 05766964656f 7f 00 00 00 00"
			if v == api.Lite06 {
				subscribe = "02 13 00 0464656d6f 05766964656f 7f 5388 00 00 00 00"
			}
			inBubble(t, v, mux, func(p *rawPeer, _ *session.Session) {
				st := p.bidi(subscribe)
				synctest.Wait()
				_ = st.Close()
				if _, err := io.ReadAll(st); err != nil {
					t.Errorf("the publisher's half ended with %v, want a FIN", err)
				}
				synctest.Wait()
				reset, ok := errors.AsType[*api.StreamError](left)
				if !ok || !reset.Remote || reset.Code != api.StreamCancelled {
					t.Errorf("the handler was told %v", left)
				}
			})
		})
	}
}

// An acceptingConn passes to the test the streams that were accepted, and the
// unidirectional ones that were opened.
type acceptingConn struct {
	transport.Conn
	accepted chan transport.Stream
	opened   chan transport.SendStream
	plain    bool // accepted streams cannot be prioritized
}

func (c *acceptingConn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	st, err := c.Conn.AcceptStream(ctx)
	if err == nil && c.accepted != nil {
		c.accepted <- st
	}
	if c.plain {
		st = struct{ transport.Stream }{st}
	}
	return st, err
}

func (c *acceptingConn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	st, err := c.Conn.OpenUniStream(ctx)
	if err == nil && c.opened != nil {
		c.opened <- st
	}
	return st, err
}

// urgency is the urgency that was last set on a stream.
func urgency(st transport.SendStream) int8 {
	u, _ := st.(interface{ Priority() (int8, bool) }).Priority()
	return u
}

// TestGroupsGoAfterControl: groups have the default urgency if control streams can be put
// before it, and otherwise a later one.
func TestGroupsGoAfterControl(t *testing.T) {
	for _, plain := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			mux, seen := api.NewTrackMux(), make(chan struct{})
			if err := mux.PublishFunc(t.Context(), "a", func(w api.TrackWriter) {
				g, err := w.OpenGroup(w.Context())
				if err == nil {
					_ = g.WriteFrame(api.Frame{Payload: []byte("frame")})
					<-seen
					_ = g.Close()
				}
				_ = w.Close()
			}); err != nil {
				t.Fatal(err)
			}
			client, server := memconn.Pipe(string(api.Lite04), nil, nil) // which sends no SETUP
			publisher := &acceptingConn{Conn: server, opened: make(chan transport.SendStream, 1), plain: plain}
			s, end := overConns(t, client, publisher, mux)
			defer end()
			r, err := s.Subscribe(t.Context(), "a", "track", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := r.AcceptGroup(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := urgency(<-publisher.opened)
			close(seen)
			if behind := got > transport.DefaultUrgency; behind != plain || got < transport.DefaultUrgency {
				t.Errorf("groups have urgency %d where control streams cannot be ranked: %t", got, plain)
			}
		})
	}
}

// overConns starts a session on each of two connected ends, and returns the client's.
func overConns(t *testing.T, client, server transport.Conn, mux *api.TrackMux) (s *session.Session, end func()) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	publisher, err := session.New(server, session.Options{Hop: hop, Mux: mux, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	s, err = session.New(client, session.Options{Hop: hop + 1, Mux: mux, Client: true, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		_ = s.Terminate(api.SessionNoError, "")
		_ = publisher.Terminate(api.SessionNoError, "")
	}
}

// TestFetchIsNoControl: the answer to FETCH is sent with the urgency of groups, though its
// stream had that of control streams before.
func TestFetchIsNoControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux, seen := api.NewTrackMux(), make(chan struct{})
		if err := mux.Publish(t.Context(), "a", api.TrackFuncs{Fetch: func(w api.GroupWriter, _ api.FetchRequest) {
			_ = w.WriteFrame(api.Frame{Payload: []byte("frame")})
			<-seen
			_ = w.Close()
		}}); err != nil {
			t.Fatal(err)
		}
		client, server := memconn.Pipe(string(api.Lite06), nil, nil)
		accepting := &acceptingConn{Conn: server, accepted: make(chan transport.Stream, 1)}
		s, end := overConns(t, client, accepting, mux)
		defer end()
		time.Sleep(time.Second) // so that the writer writes the frame directly
		g, err := s.Fetch(t.Context(), api.FetchRequest{Path: "a", Name: "track"})
		if err != nil {
			t.Fatal(err)
		}
		var f api.Frame
		if err := g.ReadFrame(&f); err != nil || string(f.Payload) != "frame" {
			t.Fatalf("read %q, %v", f.Payload, err)
		}
		if urgency(<-accepting.accepted) == 0 {
			t.Error("the answer goes before all groups")
		}
		close(seen)
	})
}
