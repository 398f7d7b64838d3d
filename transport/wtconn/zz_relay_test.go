package wtconn_test

import (
	"context"
	"crypto/tls"
	"os"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/wtconn"
)

func TestZZRelay(t *testing.T) {
	addr := os.Getenv("RELAY")
	if addr == "" {
		t.Skip()
	}
	e := new(quicconn.Endpoint)
	defer e.Close()
	tc := &tls.Config{InsecureSkipVerify: true}
	for _, u := range []string{"moqt://" + addr, "https://" + addr + "/", "http://" + addr + "/"} {
		for _, v := range []string{"moq-lite-03", "moq-lite-04", "moq-lite-05", "moq-lite-06", "moq-lite-99"} {
			var d transport.Dialer = &wtconn.Dialer{Endpoint: e, TLSConfig: tc}
			if u[0] == 'm' {
				d = &quicconn.Dialer{Endpoint: e, TLSConfig: tc}
			}
			if u[:5] == "http:" {
				d = &wtconn.Dialer{Endpoint: e}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			start := time.Now()
			c, err := d.Dial(ctx, u, []string{v})
			if err != nil {
				t.Logf("%s %s: dial after %v: %v", u, v, time.Since(start).Round(time.Millisecond), err)
				cancel()
				continue
			}
			dt := time.Since(start)
			if v >= "moq-lite-05" {
				w, err := c.OpenUniStream(ctx)
				if err != nil {
					t.Fatal(err)
				}
				w.Write([]byte{1, 1, 0})
				w.Close()
			}
			s, err := c.AcceptStream(ctx)
			if err != nil {
				t.Logf("%s %s: accept: %v", u, v, err)
				cancel()
				continue
			}
			b := make([]byte, 64)
			s.SetReadDeadline(time.Now().Add(200*time.Millisecond))
			n, err := s.Read(b)
			t.Logf("%s %s: dialled in %v; bidi stream: % x (%v); state %+v stats RTT %v", u, v, dt.Round(time.Microsecond), b[:n], err, c.State().Protocol, c.(transport.StatsConn).Stats().RTT)
			// a malformed second SETUP: closes with 3
			if v >= "moq-lite-05" && u[0] != 'x' {
				w, _ := c.OpenUniStream(ctx)
				w.Write([]byte{1, 1, 0})
				w.Close()
				select {
				case <-c.Context().Done():
					t.Logf("   after a second SETUP: %#v", context.Cause(c.Context()))
				case <-time.After(2 * time.Second):
					t.Logf("   after a second SETUP: nothing")
				}
			}
			start = time.Now()
			c.CloseWithError(0, "bye")
			t.Logf("   closed in %v", time.Since(start).Round(time.Microsecond))
			cancel()
		}
	}
}
