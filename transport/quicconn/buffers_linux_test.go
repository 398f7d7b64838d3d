package quicconn

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/transport/quicconn/internal/udp"
)

func TestSmallBuffers(t *testing.T) {
	s, err := udp.Listen(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.UDPConn.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	err = checkBuffers(s)
	small, ok := errors.AsType[*BuffersError](err)
	if !ok || small.Receive != 64<<10 || small.Want != udp.BufferSize {
		t.Errorf("error is %v", err)
	}
	var log strings.Builder
	warnOfBuffers(s, slog.New(slog.NewTextHandler(&log, nil)))
	if said := log.String(); !strings.Contains(said, "64 KiB") || !strings.Contains(said, "net.core.rmem_max=7340032") {
		t.Errorf("it logs %q", said)
	}
}
