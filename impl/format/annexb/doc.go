// Package annexb reads H.264 and H.265 as encoders write them: byte streams of
// NAL units (annex B of either), from a file, or live from a pipe or socket.
//
// Such a stream has no times. Pictures are given those of the rate that its
// parameter sets tell, or of [Config].Framerate.
package annexb
