package udp

import (
	"net"
	"os"
	"syscall"
	"testing"
)

// What finds no way out is lost; what cannot be sent at all is an error.
func TestRouteErrors(t *testing.T) {
	wrap := func(err error) error { return &net.OpError{Op: "write", Err: os.NewSyscallError("sendmsg", err)} }
	for err, want := range map[error]bool{
		wrap(syscall.ENETUNREACH):  true,
		wrap(syscall.EHOSTUNREACH): true,
		wrap(syscall.EPERM):        true,
		wrap(syscall.EMSGSIZE):     false,
		wrap(syscall.EIO):          false,
		net.ErrClosed:              false,
	} {
		if isRouteError(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
	if isRouteError(nil) {
		t.Error("no error finds no way")
	}
}

// The descriptor is hidden only until quic-go has asked for both buffers.
func TestSocketHidesDescriptor(t *testing.T) {
	s, err := Listen(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, ask := range []func(int) error{s.SetReadBuffer, s.SetWriteBuffer} {
		if _, err := s.SyscallConn(); err == nil {
			t.Error("the descriptor is not hidden")
		}
		if err := ask(BufferSize); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.SyscallConn(); err != nil {
		t.Error(err)
	}
}
