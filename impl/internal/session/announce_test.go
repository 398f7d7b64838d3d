package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

func nothing(api.TrackWriter) {}

// demo is the path "demo", preceded by its length.
const demo = "04 64656d6f"

// saying runs a test against a server's session of a version. The peer has sent a SETUP
// with the given body, "" for an empty one.
func saying(t *testing.T, v api.Version, setup string, mux *api.TrackMux, f func(p *rawPeer, s *session.Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := memconn.Pipe(string(v), nil, nil)
		s, err := session.New(server, session.Options{Hop: hop, Mux: mux, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		p := &rawPeer{t, client}
		if v == api.Lite05 || v == api.Lite06 {
			if setup == "" {
				setup = "01 00"
			}
			p.uni("01" + setup)
		}
		f(p, s)
		_ = s.Terminate(api.SessionNoError, "")
		_ = client.CloseWithError(0, "")
	})
}

// ask opens an Announce stream for all broadcasts. If the version can say so, routes
// through a hop are excluded.
func (p *rawPeer) ask(v api.Version, exclude string) transport.Stream {
	p.t.Helper()
	if v == api.Lite04 || v == api.Lite05 {
		return p.bidi("01 02 00" + exclude)
	}
	return p.bidi("01 01 00")
}

// expectSilence checks that nothing more arrives for a while.
func (p *rawPeer) expectSilence(st transport.Stream) {
	p.t.Helper()
	_ = st.SetReadDeadline(time.Now().Add(time.Minute))
	b := make([]byte, 100)
	n, err := st.Read(b)
	over, ok := errors.AsType[net.Error](err)
	if n > 0 || !ok || !over.Timeout() {
		p.t.Errorf("read % x, %v; want nothing", b[:n], err)
	}
	_ = st.SetReadDeadline(time.Time{})
}

// TestAnnouncementsOnTheWire publishes a broadcast, changes its route, and withdraws it.
func TestAnnouncementsOnTheWire(t *testing.T) {
	for v, want := range map[api.Version][3]string{
		api.Lite03: {
			"07 01" + demo + "02",
			"07 00" + demo + "00 | 07 01" + demo + "03",
			"07 00" + demo + "00",
		},
		api.Lite04: {
			"0a 01" + demo + "02 05 4309",
			"07 00" + demo + "00 | 0b 01" + demo + "03 05 06 4309",
			"07 00" + demo + "00",
		},
		api.Lite05: {
			"03 4309 01 | 08 01" + demo + "01 05",
			"09 01" + demo + "02 05 06",
			"07 00" + demo + "00",
		},
		api.Lite06: {
			"03 4309 01 | 00 09" + demo + "01 05 03 04",
			"02 06 00 02 05 06 04 05",
			"01 01 00",
		},
	} {
		t.Run(string(v), func(t *testing.T) {
			mux := api.NewTrackMux()
			ctx, withdraw := context.WithCancel(t.Context())
			err := mux.Announce(ctx, api.Announcement{Path: "demo", Hops: []api.Hop{5}, Warm: 3, Cold: 4}, api.TrackHandlerFunc(nothing))
			if err != nil {
				t.Fatal(err)
			}
			inBubble(t, v, mux, func(p *rawPeer, s *session.Session) {
				st := p.ask(v, "00")
				p.expect(st, want[0])
				if err := mux.Update(api.Announcement{Path: "demo", Hops: []api.Hop{5, 6}, Warm: 4, Cold: 5}); err != nil {
					t.Fatal(err)
				}
				p.expect(st, want[1])
				withdraw()
				p.expect(st, want[2])
				p.expectSilence(st)
			})
		})
	}
}

// TestRoutesThatThePeerMustNotBeTold publishes routes through the peer, whose hop is in
// its request or its SETUP, and routes that would be loops or too long with this end
// appended: none is announced.
func TestRoutesThatThePeerMustNotBeTold(t *testing.T) {
	long := make([]api.Hop, 32)
	mux := api.NewTrackMux()
	for path, hops := range map[api.BroadcastPath][]api.Hop{
		"demo":         {5},
		"through/peer": {5, 9},
		"through/us":   {5, hop, 6},
		"loop":         {5, 6, 5},
		"too/long":     long,
	} {
		if err := mux.Announce(t.Context(), api.Announcement{Path: path, Hops: hops}, api.TrackHandlerFunc(nothing)); err != nil {
			t.Fatal(err)
		}
	}
	if err := mux.PublishFunc(t.Context(), api.BroadcastPath(strings.Repeat("x", 64<<10)), nothing); err == nil {
		t.Error("published at a path that no message holds")
	}
	for _, test := range []struct {
		version              api.Version
		setup, exclude, want string
	}{
		{api.Lite04, "", "09", "0a 01" + demo + "02 05 4309"},
		{api.Lite05, "", "09", "03 4309 01 | 08 01" + demo + "01 05"},
		{api.Lite05, "04 01 05 01 09", "00", "03 4309 01 | 08 01" + demo + "01 05"},
		{api.Lite06, "04 01 05 01 09", "", "03 4309 01 | 00 09" + demo + "01 05 00 00"},
		{api.Lite06, "05 01 05 02 4309", "", "03 4309 00"}, // the peer says it is us
	} {
		t.Run(string(test.version), func(t *testing.T) {
			saying(t, test.version, test.setup, mux, func(p *rawPeer, s *session.Session) {
				st := p.ask(test.version, test.exclude)
				p.expect(st, test.want)
				p.expectSilence(st)
			})
		})
	}
}

func TestLongestChainIsTold(t *testing.T) {
	mux := api.NewTrackMux()
	if err := mux.Announce(t.Context(), api.Announcement{Path: "demo", Hops: make([]api.Hop, 31)}, api.TrackHandlerFunc(nothing)); err != nil {
		t.Fatal(err)
	}
	inBubble(t, api.Lite04, mux, func(p *rawPeer, s *session.Session) {
		p.expect(p.ask(api.Lite04, "00"), "28 01"+demo+"20"+strings.Repeat("00", 31)+"4309")
	})
}

// TestPublishersAreToldNothing: a peer that only publishes may ask, and gets no
// announcements.
func TestPublishersAreToldNothing(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			mux := api.NewTrackMux()
			if err := mux.PublishFunc(t.Context(), "demo", nothing); err != nil {
				t.Fatal(err)
			}
			saying(t, v, "04 01 03 01 01", mux, func(p *rawPeer, s *session.Session) {
				st := p.ask(v, "00")
				p.expect(st, "03 4309 00")
				p.expectSilence(st)
				_ = st.Close()
				if _, err := st.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("after the peer's end: %v", err)
				}
			})
		})
	}
}

// TestSubscribersAreNotAsked asks for the announcements of a peer that only subscribes:
// nothing is sent.
func TestSubscribersAreNotAsked(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			saying(t, v, "04 01 03 01 02", api.NewTrackMux(), func(p *rawPeer, s *session.Session) {
				r, err := s.Announcements(p.t.Context(), "room")
				if err != nil {
					t.Fatal(err)
				}
				if a, err := r.Receive(p.t.Context()); err != nil || a.Status != api.AnnouncementsComplete {
					t.Errorf("received %v, %v; want the empty set", a, err)
				}
				ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
				defer cancel()
				if _, err := p.conn.AcceptStream(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a stream was opened, or %v", err)
				}
				_ = s.Terminate(api.SessionInternal, "over")
				_, err = r.Receive(p.t.Context())
				if _, ok := errors.AsType[*api.SessionError](err); !ok {
					t.Errorf("after the session: %v", err)
				}
			})
		})
	}
}

// TestAskingWaitsForTheRole asks a client whose SETUP has not arrived.
func TestAskingWaitsForTheRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memconn.Pipe(string(api.Lite06), nil, nil)
		defer client.CloseWithError(0, "")
		s, err := session.New(server, session.Options{Hop: hop, Mux: api.NewTrackMux(), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Terminate(api.SessionNoError, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Announcements(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("announcements before the SETUP: %v", err)
		}
	})
}

// hear makes the session ask the peer, which answers with the given bytes, and returns
// the announcements after a while: lines of path, status and hops.
func hear(t *testing.T, v api.Version, answer string) (lines []string, err error) {
	t.Helper()
	saying(t, v, "", api.NewTrackMux(), func(p *rawPeer, s *session.Session) {
		r, asked := s.Announcements(p.t.Context(), "")
		if asked != nil {
			t.Fatal(asked)
		}
		st, accepted := p.conn.AcceptStream(p.t.Context())
		if accepted != nil {
			t.Fatal(accepted)
		}
		if v == api.Lite04 || v == api.Lite05 {
			p.expect(st, "01 03 00 4309")
		} else {
			p.expect(st, "01 01 00")
		}
		// One message at a time: changes that arrive together are merged.
		for part := range strings.SplitSeq(answer, "|") {
			if _, err := st.Write(p.bytes(part)); err != nil {
				break
			}
			synctest.Wait()
			now, cancel := context.WithCancel(p.t.Context())
			cancel()
			var a api.Announcement
			for a, err = range api.Announcements(now, r) {
				if err == nil {
					lines = append(lines, fmt.Sprint(a.Path, " ", a.Status, " ", a.Hops))
				}
			}
			if errors.Is(err, context.Canceled) {
				err = nil
			}
		}
	})
	return lines, err
}

func TestWhatIsHeard(t *testing.T) {
	thirtyTwo := "20" + strings.Repeat("00", 32)
	for _, test := range []struct {
		name    string
		version api.Version
		answer  string
		want    []string
	}{
		{"a count of hops", api.Lite03, "07 01" + demo + "02 | 07 00" + demo + "00", []string{"demo active [0 0]", "demo ended []"}},
		{"hops with the sender", api.Lite04, "08 01" + demo + "01 05", []string{"demo active [5]"}},
		{"hops without the sender", api.Lite05, "02 06 01 | 08 01" + demo + "01 05", []string{"demo active [5 6]"}},
		{"replaced", api.Lite05, "02 06 01 | 07 01" + demo + "00 | 08 01" + demo + "01 05 | 07 02" + demo + "00",
			[]string{"demo active [6]", "demo ended []", "demo active [5 6]", "demo ended []", "demo active [6]"}},
		{"updated", api.Lite06, "02 06 01 | 00 08" + demo + "00 00 00 | 02 05 00 01 05 00 00 | 01 01 00",
			[]string{"demo active [6]", "demo updated [5 6]", "demo ended []"}},
		{"unknown type", api.Lite06, "02 06 01 | 07 03 010203 | 00 08" + demo + "00 00 00 | 01 01 00", []string{"demo active [6]", "demo ended []"}},
		{"restarted under its next id", api.Lite06, "02 06 01 | 00 08" + demo + "00 00 00 | 01 01 00 | 00 08" + demo + "00 00 00 | 01 01 01",
			[]string{"demo active [6]", "demo ended []", "demo active [6]", "demo ended []"}},
		{"a loop", api.Lite04, "0b 01" + demo + "03 05 4309 06", nil},
		{"a loop of which the last is us", api.Lite06, "03 4309 01 | 00 08" + demo + "00 00 00", nil},
		{"a loop that opens, closes and goes", api.Lite06,
			"02 06 01 | 00 0a" + demo + "01 4309 00 00 | 02 04 00 00 00 00 | 02 06 00 01 4309 00 00 | 01 01 00",
			[]string{"demo active [6]", "demo ended []"}},
		{"a loop replaced", api.Lite05, "02 06 01 | 07 01" + demo + "00 | 09 01" + demo + "01 4309 | 07 01" + demo + "00",
			[]string{"demo active [6]", "demo ended []", "demo active [6]"}},
		{"a chain too long with the sender", api.Lite06, "02 06 01 | 00 28" + demo + thirtyTwo + "00 00", nil},
		{"the longest chain", api.Lite04, "27 01" + demo + thirtyTwo, []string{"demo active " + fmt.Sprint(make([]api.Hop, 32))}},
		{"hidden", api.Lite06, "02 06 01 | 00 08 04 612f2e62 00 00 00", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines, err := hear(t, test.version, test.answer)
			if err != nil || !slices.Equal(lines, test.want) {
				t.Errorf("heard %q, %v; want %q", lines, err, test.want)
			}
		})
	}
}

// TestAnnouncementsOutOfOrder: announcements out of order end the session.
func TestAnnouncementsOutOfOrder(t *testing.T) {
	start := "00 08" + demo + "00 00 00"
	for name, test := range map[string]struct {
		version api.Version
		answer  string
	}{
		"active twice":         {api.Lite04, "07 01" + demo + "00 | 07 01" + demo + "00"},
		"looped and active":    {api.Lite04, "09 01" + demo + "01 4309 | 07 01" + demo + "00"},
		"restart before 05":    {api.Lite04, "07 02" + demo + "00"},
		"started twice":        {api.Lite06, "02 06 01 |" + start + "|" + start},
		"started, then looped": {api.Lite06, "02 06 01 |" + start + "| 00 0a" + demo + "01 4309 00 00"},
		"end of nothing":       {api.Lite06, "02 06 01 | 01 01 00"},
		"ended twice":          {api.Lite06, "02 06 01 |" + start + "| 01 01 00 | 01 01 00"},
		"update of the ended":  {api.Lite06, "02 06 01 |" + start + "| 01 01 00 | 02 04 00 00 00 00"},
		"an id to come":        {api.Lite06, "02 06 01 |" + start + "| 01 01 01"},
		"started before OK":    {api.Lite06, start},
		"a repeated hop":       {api.Lite05, "02 06 01 | 09 01" + demo + "02 05 05"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hear(t, test.version, test.answer)
			end, ok := errors.AsType[*api.SessionError](err)
			if !ok || end.Code != api.SessionProtocolViolation || end.Remote {
				t.Errorf("ended with %v, want a violation", err)
			}
		})
	}
}

// TestStreamEnd ends an Announce stream. A FIN withdraws its announcements; after a
// reset the reader gets an error, and no ends.
func TestStreamEnd(t *testing.T) {
	type told struct {
		statuses []api.AnnouncementStatus
		err      error
	}
	ended := func(t *testing.T, end func(transport.Stream)) (heard told) {
		saying(t, api.Lite06, "", api.NewTrackMux(), func(p *rawPeer, s *session.Session) {
			r, err := s.Announcements(p.t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			st, err := p.conn.AcceptStream(p.t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = st.Write(p.bytes("02 06 01 | 00 08" + demo + "00 00 00"))
			synctest.Wait()
			end(st)
			for heard.err == nil {
				var a api.Announcement
				if a, heard.err = r.Receive(p.t.Context()); heard.err == nil {
					heard.statuses = append(heard.statuses, a.Status)
				}
			}
			if s.Context().Err() != nil {
				t.Error("the session has ended with the stream")
			}
		})
		return heard
	}
	t.Run("FIN", func(t *testing.T) {
		heard := ended(t, func(st transport.Stream) { _ = st.Close() })
		want := []api.AnnouncementStatus{api.AnnouncementActive, api.AnnouncementEnded}
		if heard.err != io.EOF || !slices.Equal(heard.statuses, want) {
			t.Errorf("heard %v, %v; want %v", heard.statuses, heard.err, want)
		}
	})
	t.Run("FIN within an announcement", func(t *testing.T) {
		heard := ended(t, func(st transport.Stream) {
			_, _ = st.Write([]byte{0})
			_ = st.Close()
		})
		want := []api.AnnouncementStatus{api.AnnouncementActive}
		if heard.err == io.EOF || !slices.Equal(heard.statuses, want) {
			t.Errorf("heard %v, %v; want %v", heard.statuses, heard.err, want)
		}
	})
	t.Run("reset", func(t *testing.T) {
		heard := ended(t, func(st transport.Stream) { st.CancelWrite(uint64(api.StreamInternal)) })
		_, reset := errors.AsType[*api.StreamError](heard.err)
		want := []api.AnnouncementStatus{api.AnnouncementActive}
		if !reset || !slices.Equal(heard.statuses, want) {
			t.Errorf("heard %v, %v; want %v", heard.statuses, heard.err, want)
		}
	})
}

// TestCompleteness: the count in ANNOUNCE_OK is right, too low, or too high.
func TestCompleteness(t *testing.T) {
	one, two := "00 05 01 61 00 00 00", "00 05 01 62 00 00 00"
	ms := time.Millisecond
	for name, test := range map[string]struct {
		answer string // with pauses of 300 ms
		want   time.Duration
	}{
		"an empty set":             {"02 06 00", 400 * ms},
		"as many as were said":     {"02 06 02 |" + one + "|" + two, 1000 * ms},
		"more":                     {"02 06 00 |" + one + "|" + two, 1000 * ms},
		"fewer":                    {"02 06 03 |" + one + "|" + two, 2600 * ms},
		"a pause before the count": {"02 06 02 |" + one + "| | |" + two, 1600 * ms},
		"all at once":              {"02 06 02" + one + two, 400 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			saying(t, api.Lite06, "", api.NewTrackMux(), func(p *rawPeer, s *session.Session) {
				r, err := s.Announcements(p.t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				st, err := p.conn.AcceptStream(p.t.Context())
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				go func() {
					for part := range strings.SplitSeq(test.answer, "|") {
						_, _ = st.Write(p.bytes(part))
						time.Sleep(300 * ms)
					}
				}()
				for a, err := range api.Announcements(p.t.Context(), r) {
					if err != nil {
						t.Fatal(err)
					}
					if a.Status == api.AnnouncementsComplete {
						break
					}
				}
				if took := time.Since(begin); took != test.want {
					t.Errorf("complete after %v, want %v", took, test.want)
				}
			})
		})
	}
}
