package format

import (
	"bytes"

	"github.com/moqlite/moqlite/impl/internal/codec"
)

const (
	formatMP4    = "fragmented MP4"
	formatTS     = "MPEG-TS"
	formatAnnexB = "Annex B"
)

// mostHead is how much of a source is looked at.
const mostHead = 4096

// magics are the beginnings of what is not opened.
var magics = []struct{ begins, name string }{
	{"OggS", "Ogg"},
	{"fLaC", "FLAC"},
	{"ID3", "MP3"},
	{"FLV\x01", "FLV"},
	{"DKIF", "IVF"},
	{"YUV4MPEG2", "uncompressed video"},
	{"\x30\x26\xb2\x75", "ASF"},
	{"\x00\x00\x01\xba", "MPEG-PS"},
	{"\x00\x00\x01\xb3", "MPEG-2 video"},
	{"\x00\x00\x01\xb0", "MPEG-4 video"},
	{"\x0b\x77", "AC-3"},
}

// boxes are those with which an MP4 may begin.
var boxes = []string{
	"ftyp", "styp", "moov", "moof", "mdat", "free", "skip", "wide", "sidx", "emsg", "prft", "pdin", "uuid", "mfra",
}

// identify says what begins with head; "": it is not known, or more has to be
// seen. end: there is no more.
func identify(head []byte, end bool) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.begins)) {
			return m.name
		}
	}
	switch {
	case isMP4(head):
		return formatMP4
	case bytes.HasPrefix(head, []byte("\x1a\x45\xdf\xa3")):
		return matroska(head, end)
	case bytes.HasPrefix(head, []byte("RIFF")) && len(head) >= 12:
		return "RIFF (" + string(bytes.TrimSpace(head[8:12])) + ")"
	case isTS(head, end):
		return formatTS
	case isAnnexB(head) && !mayBeTS(head, end):
		return formatAnnexB
	}
	return sound(head, end)
}

func isMP4(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	for _, box := range boxes {
		if string(head[4:8]) == box {
			return true
		}
	}
	return false
}

// matroska tells WebM from its elder by the type of the document.
func matroska(head []byte, end bool) string {
	switch {
	case bytes.Contains(head[:min(128, len(head))], []byte("webm")):
		return "WebM"
	case len(head) >= 128 || end:
		return "Matroska"
	}
	return ""
}

// isTS reports whether packets of a transport stream follow each other, plain or
// with something around them. Garbage may come first.
func isTS(head []byte, end bool) bool {
	const sync = 0x47
	for at, c := range head {
		if c != sync {
			continue
		}
		for _, stride := range []int{188, 192, 204} {
			n := 1
			for next := at + stride; next < len(head) && head[next] == sync; next += stride {
				n++
			}
			// All that there is, or enough that it is no chance.
			all := at+n*stride >= len(head)
			if n >= 4 || n >= 2 && at <= 4 && all && (end || n >= 3) || n == 1 && at == 0 && end && len(head) >= 188 && all {
				return true
			}
		}
	}
	return false
}

// mayBeTS reports whether what looks like a start code may be the time code
// before the first packet of a transport stream, of which more has to be seen.
func mayBeTS(head []byte, end bool) bool {
	const sync = 0x47
	return len(head) < 3*192 && !end && head[4] == sync
}

// isAnnexB reports whether a byte stream begins: zeros, a start code, and the
// header of a NAL unit, which never begins with a set bit.
func isAnnexB(head []byte) bool {
	rest := bytes.TrimLeft(head, "\x00")
	zeros := len(head) - len(rest)
	return zeros >= 2 && len(rest) >= 3 && rest[0] == 1 && rest[1] < 0x80 // 5 bytes at least
}

// sound tells frames of sound that follow each other without a container.
func sound(head []byte, end bool) string {
	size := 0
	name := ""
	if a, err := codec.ParseADTS(head); err == nil {
		size, name = a.Size, "AAC"
	} else if s, err := codec.ParseMPEG(head); err == nil {
		size, name = s.Size, map[string]string{"mp3": "MP3", "mp2": "MP2"}[s.Codec]
	} else if n, err := codec.ParseLOAS(head); err == nil {
		size, name = n, "AAC"
	} else {
		return ""
	}
	switch {
	case size+1 < len(head) && head[size] == head[0] && head[size+1] == head[1]:
		return name
	case end && size+1 >= len(head):
		return name
	}
	return ""
}
