// Package mpegts reads MPEG transport streams (ISO/IEC 13818-1): from a file, or
// live from a pipe or socket.
//
// Pictures are H.264 or H.265, sound is AAC (ADTS and LATM), Opus, MP2, MP3,
// AC-3 or E-AC-3. Other streams are left out, and [Reader.Ignored] tells which.
// Packets of 188 bytes are read, and those of 192 and 204 that have something
// of their own around them. Of several programs the first is read that has a
// track.
package mpegts
