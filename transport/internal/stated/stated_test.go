package stated_test

import (
	"context"
	"net/url"
	"reflect"
	"testing"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/stated"
)

// A base connection has no abilities. It counts closes.
type base struct {
	transport.Conn
	closes *int
}

func (base) State() transport.State {
	return transport.State{Protocol: "moq-lite-06", Transport: "own", URL: &url.URL{Host: "other"}, CarriesURL: true}
}

func (b base) CloseWithError(uint64, string) error {
	*b.closes++
	return nil
}

type datagrams struct{ sent *[]string }

func (d datagrams) SendDatagram(p []byte) error {
	*d.sent = append(*d.sent, string(p))
	return nil
}

func (datagrams) ReceiveDatagram(context.Context) ([]byte, error) { return []byte("theirs"), nil }

type stats struct{}

func (stats) Stats() transport.Stats { return transport.Stats{BytesSent: 7} }

// TestWithURL gives connections with each set of abilities a URL: it is all that
// changes.
func TestWithURL(t *testing.T) {
	var closes int
	var sent []string
	b, d := base{closes: &closes}, datagrams{&sent}
	u := &url.URL{Scheme: "moqt", Host: "relay.example", Path: "/live", RawQuery: "jwt=x"}
	for name, c := range map[string]transport.Conn{
		"neither": b,
		"datagrams": struct {
			base
			datagrams
		}{b, d},
		"statistics": struct {
			base
			stats
		}{b, stats{}},
		"both": struct {
			base
			datagrams
			stats
		}{b, d, stats{}},
	} {
		t.Run(name, func(t *testing.T) {
			closes, sent = 0, nil
			got := stated.WithURL(c, u)
			want := c.State()
			want.URL = u
			if state := got.State(); !reflect.DeepEqual(state, want) {
				t.Errorf("the state is %+v, want %+v", state, want)
			}
			ours, has := got.(transport.DatagramConn)
			if _, had := c.(transport.DatagramConn); has != had {
				t.Errorf("datagrams: %t, before %t", has, had)
			} else if has {
				p, err := ours.ReceiveDatagram(t.Context())
				if err := ours.SendDatagram([]byte("ours")); err != nil || len(sent) != 1 || sent[0] != "ours" {
					t.Errorf("sent %q, %v", sent, err)
				}
				if string(p) != "theirs" || err != nil {
					t.Errorf("received %q, %v", p, err)
				}
			}
			counts, has := transport.As[transport.StatsConn](got)
			if _, had := c.(transport.StatsConn); has != had {
				t.Errorf("statistics: %t, before %t", has, had)
			} else if has && counts.Stats().BytesSent != 7 {
				t.Errorf("counts %+v", counts.Stats())
			}
			if err := got.CloseWithError(1, "enough"); err != nil || closes != 1 {
				t.Errorf("closed %d times, %v", closes, err)
			}
		})
	}
}
