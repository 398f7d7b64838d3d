// Package bench measures the module against bare quic-go that does the same
// work in the same run. It has benchmarks alone:
//
//	go test -run - -bench . -benchtime 5x ./impl/bench
//
// The sides take turns, of a tenth of a second in the most part, or run at the
// same time where they leave the machine idle, so that a noisy machine is the
// same for all; the metrics are medians of the ratios ours/plain and ours/best.
// Plain is quic-go with this module's settings and a write a frame; best gathers
// writes to 64 KiB, and has the receive offload and windows that suit one stream.
// CPU is that of both ends together, which are in one process; but a fan-out has
// its server and its audience in processes of their own, and the server's CPU
// apart. What idle sessions hold is told by a process for each side.
package bench
