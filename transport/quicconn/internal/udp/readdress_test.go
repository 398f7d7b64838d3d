package udp

import (
	"net"
	"testing"
)

// Packets from a client are returned with its newest substitute address, and
// packets to any of its addresses are sent to the true one.
func TestReaddress(t *testing.T) {
	v4, v6 := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.UDPAddr{IP: net.IPv6loopback}
	t.Run("IPv4", func(t *testing.T) { readdressed(t, v4, v4) })
	t.Run("IPv6", func(t *testing.T) { readdressed(t, v6, v6) })
	t.Run("IPv4 at a socket for both", func(t *testing.T) { readdressed(t, nil, v4) })
}

func readdressed(t *testing.T, server, local *net.UDPAddr) {
	s, err := Listen(server)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client, err := net.ListenUDP("udp", local)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	at := client.LocalAddr().(*net.UDPAddr)
	to := &net.UDPAddr{IP: local.IP, Port: s.LocalAddr().(*net.UDPAddr).Port}
	seen := at
	for life := range 3 {
		if life > 0 {
			s.Readdress(seen)
		}
		if _, err := client.WriteTo([]byte("hello"), to); err != nil {
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
		if trueAddr(seen) != trueAddr(at) {
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
	s.KeepSubstitutes(func(func(*net.UDPAddr) bool) {})
	if s.book.Load() != nil {
		t.Error("a client without connections keeps its address")
	}
}
