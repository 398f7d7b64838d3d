package quicconn

import (
	"net"
	"testing"
)

// What comes from a client is handed out as from its newest address, and what
// goes to any of its addresses is sent to the true one.
func TestReaddress(t *testing.T) {
	s, err := listenUDP(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	at := client.LocalAddr().(*net.UDPAddr)
	seen := at
	for life := range 3 {
		if life > 0 {
			s.readdress(seen)
		}
		if _, err := client.WriteTo([]byte("hello"), s.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		_, from, err := s.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		if seen = from.(*net.UDPAddr); seen.Port != at.Port+life*portSpan || !seen.IP.Equal(at.IP) {
			t.Errorf("in its life %d, %v is handed out as %v", life, at, seen)
		}
		if trueAddr(seen) != at.AddrPort() {
			t.Errorf("%v stands for %v, want %v", seen, trueAddr(seen), at)
		}
		for _, write := range []func() error{
			func() error { _, _, err := s.WriteMsgUDP([]byte("hello"), nil, seen); return err },
			func() error { _, err := s.WriteTo([]byte("hello"), seen); return err },
		} {
			if err := write(); err != nil {
				t.Fatal(err)
			}
			if n, err := client.Read(b); err != nil || string(b[:n]) != "hello" {
				t.Errorf("got %q, %v", b[:n], err)
			}
		}
	}
	s.forget(nil)
	if s.book.Load() != nil {
		t.Error("a client without connections keeps its address")
	}
}
