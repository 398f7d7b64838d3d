package wsconn

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// A message is complete only with its last fragment: if the connection ends
// before that, reading is an error.
func TestCutMessage(t *testing.T) {
	for name, frames := range map[string]string{
		"before a fragment":   "\x02\x02hi",
		"within a fragment":   "\x02\x02h",
		"before its payload":  "\x02\x02hi\x80\x02",
		"within a message":    "\x82\x02h",
		"within a header":     "\x82",
		"instead of one more": "",
	} {
		for side, carrier := range map[string]func(*testing.T, string) qmux.Carrier{"client": clientOf, "server": serverOf} {
			t.Run(side+" "+name, func(t *testing.T) {
				c := carrier(t, frames)
				defer c.Close()
				if m, err := c.ReadMessage(); !errors.Is(err, qmux.ErrCut) {
					t.Errorf("read %q, %v", m, err)
				}
			})
		}
	}
}

// clientOf returns a client whose server sends frames and closes the
// connection.
func clientOf(t *testing.T, frames string) qmux.Carrier {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n%s",
			base64.StdEncoding.EncodeToString(sum[:]), frames)
	}()
	u := &url.URL{Scheme: "ws", Host: l.Addr().String()}
	ws, _, err := websocket.Dial(t.Context(), u.String(), &websocket.DialOptions{HTTPClient: new(Dialer).client(new(attempt), u)})
	if err != nil {
		t.Fatal(err)
	}
	return newWSCarrier(ws, nil)
}

// serverOf returns a server whose client sends frames and closes the
// connection.
func serverOf(t *testing.T, frames string) qmux.Carrier {
	t.Helper()
	carriers := make(chan qmux.Carrier, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(&hijacker{ResponseWriter: w}, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		carriers <- newWSCarrier(ws, nil)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, masked(frames))
	select {
	case carrier := <-carriers:
		return carrier
	case <-time.After(10 * time.Second):
		t.Fatal("not upgraded")
		return nil
	}
}

// masked returns frames as a client sends them, with a mask of zeros.
func masked(frames string) string {
	var out []byte
	for len(frames) >= 2 {
		size := min(int(frames[1]), len(frames)-2)
		out = append(out, frames[0], frames[1]|0x80, 0, 0, 0, 0)
		out = append(out, frames[2:2+size]...)
		frames = frames[2+size:]
	}
	return string(append(out, frames...))
}
