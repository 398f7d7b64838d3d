// Package waiting has the queues, buffers and deadlines that the connections
// of memconn, qmux and wtconn are built from.
package waiting
