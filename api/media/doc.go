// Package media says what the payloads of a media broadcast are: catalogs, the
// containers of frames, and the packets that sources and files deal in.
//
// A broadcast whose path ends in ".hang" has a catalog track named
// "catalog.json", one that ends in ".msf" a track named "catalog". A catalog
// names the broadcast's renditions, each a track, with the codec and the
// container of its frames: see [Catalog]. What a frame holds is told by
// [ParseLegacy] and [ParseLOC]; frames of CMAF are fragments of MP4.
//
// A [Reader] is a source of packets, as a file, a pipe or a broadcast is; a
// [Writer] takes them. Package impl/format has those of file formats,
// impl/ingest publishes what a Reader gives as a broadcast, and impl/record
// reads a broadcast as packets.
//
// It imports the standard library and package api alone.
package media
