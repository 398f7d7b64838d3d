package quicstream_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/testutils/simnet"

	"github.com/moqlite/moqlite/transport/internal/certtest"
	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// A Send with a prefix calls quic-go's Write with its lock held, also from
// Close and CancelWrite, and relies on it to keep up to 1,116 bytes without
// blocking when the peer grants no credit. This pins that for the real quic-go.
func TestFirstBytesDoNotBlockWithoutCredit(t *testing.T) {
	prefix := strings.Repeat("p", 16)
	for name, do := range map[string]func(s *quicstream.Send) (int, error){
		"TryWrite":    func(s *quicstream.Send) (int, error) { return s.TryWrite(make([]byte, 2000)) },
		"Close":       func(s *quicstream.Send) (int, error) { return 1100, s.Close() },
		"CancelWrite": func(s *quicstream.Send) (int, error) { s.CancelWrite(1); return 1100, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := quicPair(t, &quic.Config{InitialStreamReceiveWindow: 1, MaxStreamReceiveWindow: 1})
				stream, err := client.OpenUniStreamSync(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s := quicstream.NewSend(owner{}, stream, prefix)
				done := false
				go func() {
					if n, err := do(s); n != 1100 || err != nil {
						t.Errorf("took %d bytes, %v", n, err)
					}
					done = true
				}()
				synctest.Wait()
				if !done {
					t.Error("blocks with its lock held")
				}
				_ = client.CloseWithError(0, "")
				_ = server.CloseWithError(0, "")
			})
		})
	}
}

// quicPair makes a connection of quic-go in memory. conf is the server's.
func quicPair(t *testing.T, conf *quic.Config) (client, server *quic.Conn) {
	t.Helper()
	serverTLS, clientTLS := certtest.Pair(t)
	serverTLS.NextProtos, clientTLS.NextProtos = []string{"test"}, []string{"test"}
	router := new(simnet.PerfectRouter)
	var ends [2]*quic.Transport
	for i := range ends {
		addr := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To4(), Port: 1 + i}
		ends[i] = &quic.Transport{Conn: simnet.NewBlockingSimConn(addr, router)}
		t.Cleanup(func() {
			_ = ends[i].Close()
			_ = ends[i].Conn.(io.Closer).Close()
		})
	}
	listener, err := ends[0].Listen(serverTLS, conf)
	if err != nil {
		t.Fatal(err)
	}
	if client, err = ends[1].Dial(t.Context(), listener.Addr(), clientTLS, nil); err != nil {
		t.Fatal(err)
	}
	if server, err = listener.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	return client, server
}
