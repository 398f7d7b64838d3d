// Package codec reads what coded pictures and sound say of themselves: NAL
// units and parameter sets of AVC and HEVC, the configuration records that MP4
// and catalogs carry, codec strings, and the headers of frames of sound.
//
// Whatever is read may come from a stranger: nothing here panics, keeps its
// input, or allocates by a length that the input announces.
package codec
