// Package waiting has the queues, buffers and deadlines that the connections
// of memconn and qmux are built from.
package waiting
