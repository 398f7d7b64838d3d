//go:build !linux && !darwin

package wsconn

import "net"

// tune does nothing where the kernel's queue cannot be bounded.
func tune(net.Conn) {}
