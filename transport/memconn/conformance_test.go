package memconn_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
	"github.com/moqlite/moqlite/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.TestConn(t, suite(0))
}

func TestConformanceInBubble(t *testing.T) {
	o := suite(0)
	o.Bubble = true
	transporttest.TestConn(t, o)
}

func TestConformanceWithDelay(t *testing.T) {
	o := suite(30 * time.Millisecond)
	o.Bubble = true
	transporttest.TestConn(t, o)
}

// suite has the options of the suite for ends with a delay.
func suite(delay time.Duration) transporttest.Options {
	ordinary := &memconn.Config{OneWayDelay: delay}
	small := &memconn.Config{
		OneWayDelay:   delay,
		MaxStreams:    3,
		MaxUniStreams: 3,
		StreamWindow:  30_000,
		ConnWindow:    70_001,
	}
	abilities := []transporttest.Ability{
		transporttest.Datagrams, transporttest.Statistics, transporttest.CarriesURL, transporttest.Priorities,
	}
	return transporttest.Options{
		Client: abilities,
		Server: abilities,
		Dialer: []transporttest.Ability{transporttest.Targets},
		Pair:   func(t *testing.T) (client, server transport.Conn) { return pipe(ordinary) },
		Small:  func(t *testing.T) (client, server transport.Conn) { return pipe(small) },
		Cut: func(t *testing.T) (client, server transport.Conn, cut func()) {
			c, s := memconn.Pipe("moq-lite-06", ordinary, ordinary)
			return c, s, func() { c.Sever(fmt.Errorf("the cable: %w", io.EOF)) }
		},
		Listen: func(t *testing.T, protocols []string) transporttest.Endpoint { return endpoint(t, ordinary, protocols) },
	}
}

func pipe(cfg *memconn.Config) (client, server transport.Conn) {
	return memconn.Pipe("moq-lite-06", cfg, cfg)
}

// endpoint is a network with a listener, and another whose backlog is full.
func endpoint(t *testing.T, cfg *memconn.Config, protocols []string) transporttest.Endpoint {
	t.Helper()
	n := &memconn.Network{Config: cfg}
	l, err := n.Listen("relay.example:443", protocols, &memconn.ListenOptions{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	silent, err := n.Listen("silent.example", protocols, &memconn.ListenOptions{Backlog: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	if _, err := n.Dial(t.Context(), "memory://silent.example", protocols); err != nil {
		t.Fatal(err)
	}
	return transporttest.Endpoint{
		Listener:  l,
		Dialer:    n,
		URL:       "https://relay.example:443/live?token=x",
		DeadURL:   "https://nobody.example/",
		SilentURL: "https://silent.example/",
	}
}
