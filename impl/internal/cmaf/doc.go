// Package cmaf says what a frame of the CMAF container is, and its
// initialization segment: fragmented MP4 (ISO/IEC 14496-12, 23000-19) of one
// track, as hang and MSF broadcasts carry it and as files do.
//
// [Init] writes an initialization segment and [ParseInit] reads one.
// [AppendFragment] writes packets as a moof and its mdat, and [ParseFragment]
// reads them. [ParseMovie], [MovieBox], [Fragment] and [AppendMoof] are the same for
// files of several tracks.
//
// Descriptions of codecs, and what else stands in an initialization segment, are
// decoded and encoded box by box by mp4ff, behind one door that turns its panics
// into errors. Fragments are read and written here, without allocations: mp4ff
// builds a tree of each, and takes 16 bytes for a sample that its writer spent
// none on.
package cmaf
