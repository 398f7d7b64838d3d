package memconn_test

import (
	"context"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport/memconn"
)

func TestDatagramsKeepTheOldest(t *testing.T) {
	bubble(t, nil, nil, func(t *testing.T, c, s *memconn.Conn) {
		sendNumbered(t, c, 200)
		wantNumbered(t, s, 128)
	})
}

func TestDatagramsUnderWayAreBounded(t *testing.T) {
	bubble(t, &memconn.Config{OneWayDelay: time.Second}, nil, func(t *testing.T, c, s *memconn.Conn) {
		sendNumbered(t, c, 200)
		wantNumbered(t, s, 128)
		sendNumbered(t, c, 1)
		wantNumbered(t, s, 1)
	})
}

func sendNumbered(t *testing.T, c *memconn.Conn, n int) {
	t.Helper()
	for i := range n {
		do(t, c.SendDatagram([]byte{byte(i)}))
	}
}

// wantNumbered receives n datagrams and no more.
func wantNumbered(t *testing.T, c *memconn.Conn, n int) {
	t.Helper()
	for i := range n {
		p, err := c.ReceiveDatagram(t.Context())
		do(t, err)
		if len(p) != 1 || p[0] != byte(i) {
			t.Fatalf("datagram %d is %v", i, p)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if p, err := c.ReceiveDatagram(ctx); err == nil {
		t.Fatalf("one more than %d datagrams: %v", n, p)
	}
}

func TestDatagramSize(t *testing.T) {
	bubble(t, nil, &memconn.Config{MaxDatagramSize: 10}, func(t *testing.T, c, s *memconn.Conn) {
		do(t, c.SendDatagram(make([]byte, 10)))
		if err := c.SendDatagram(make([]byte, 11)); err == nil {
			t.Error("11 bytes were taken")
		}
		do(t, s.SendDatagram(make([]byte, 1200)))
		if err := s.SendDatagram(make([]byte, 1201)); err == nil {
			t.Error("1201 bytes were taken")
		}
	})
}
