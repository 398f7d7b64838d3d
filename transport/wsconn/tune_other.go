//go:build !linux && !darwin

package wsconn

import "net"

func tune(net.Conn) {}
