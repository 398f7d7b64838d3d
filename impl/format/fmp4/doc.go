// Package fmp4 reads and writes fragmented MP4: the form that can be streamed,
// in which pieces of a second or so follow a header.
//
// A [Reader] reads it from a pipe as from a file, one fragment at a time, and
// never seeks in it. An MP4 that is not fragmented can be read as well, from a
// file: its header may be at the end, and its sound and pictures lie apart, so it
// is read by seeking.
//
// A [Writer] writes a fragment for each group of pictures, so that what was
// written plays whatever happens to the writer.
//
// Pictures are AVC, HEVC, VP8, VP9 and AV1, sound AAC, Opus, MP3 and FLAC. Other
// tracks of a file are left out, and [Reader.Ignored] tells which.
package fmp4
