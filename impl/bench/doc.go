// Package bench compares the module with bare quic-go that does the same work
// in the same run. It contains only benchmarks:
//
//	go test -run - -bench . -benchtime 5x ./impl/bench
//
// The sides take turns, mostly of a tenth of a second, or run at the same time
// if they leave the machine idle, so that disturbances of the machine affect
// all sides alike. The metrics are medians of the ratios ours/plain and
// ours/best. Plain is quic-go with this module's settings and one write for
// each frame. Best gathers writes to 64 KiB, and uses receive offload and
// windows that suit one stream. CPU is that of both ends together, which are in
// one process. In a fan-out, the server and the audience are processes of their
// own, and the server's CPU is reported by itself. The memory of idle sessions
// is measured in a process for each side.
package bench
