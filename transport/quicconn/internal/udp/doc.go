// Package udp has the UDP socket of quicconn. What it does beyond one of
// package net: it reads several packets with one system call, has the kernel
// merge them where that can, has buffers as large as the system allows, takes
// packets without a route for lost, and can pretend that a client's address has
// changed. It knows of QUIC only which methods quic-go looks for.
//
// What always holds: a substitute address is seen by quic-go alone. No packet
// is sent to one, and [TrueAddr] makes it the true one again.
package udp
