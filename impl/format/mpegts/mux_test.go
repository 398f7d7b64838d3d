package mpegts_test

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// A muxer writes a transport stream by hand, as others do and as they should
// not.
type muxer struct {
	b        []byte
	counters map[int]byte
	stride   int // 0: 188
}

type announced struct {
	pid         int
	streamType  byte
	descriptors []byte
}

const pmtPID, videoPID, audioPID = 0x100, 0x101, 0x102

func (m *muxer) tables(streams ...announced) {
	m.section(0, []byte{0, 0xb0, 0, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | pmtPID>>8, pmtPID & 0xff})
	pmt := []byte{2, 0xb0, 0, 0, 1, 0xc1, 0, 0, 0xe1, 0x01, 0xf0, 0}
	for _, s := range streams {
		pmt = append(pmt, s.streamType, 0xe0|byte(s.pid>>8), byte(s.pid), 0xf0, byte(len(s.descriptors)))
		pmt = append(pmt, s.descriptors...)
	}
	m.section(pmtPID, pmt)
}

func (m *muxer) section(pid int, b []byte) {
	binary.BigEndian.PutUint16(b[1:], 0xb000|uint16(len(b)-3+4))
	m.payload(pid, append([]byte{0}, binary.BigEndian.AppendUint32(b, mpegChecksum(b))...))
}

// mpegChecksum is CRC-32 of MPEG-2: that of Ethernet with the bits of each byte,
// and of the result, the other way round.
func mpegChecksum(b []byte) uint32 {
	flipped := make([]byte, len(b))
	for i, c := range b {
		flipped[i] = flip(c)
	}
	sum := ^crc32.ChecksumIEEE(flipped)
	var out uint32
	for i := range 32 {
		out |= sum >> i & 1 << (31 - i)
	}
	return out
}

func flip(c byte) (out byte) {
	for i := range 8 {
		out |= c >> i & 1 << (7 - i)
	}
	return out
}

// pes writes a PES packet; times below 0 are not told.
func (m *muxer) pes(pid int, pts, dts int64, bounded bool, data []byte) {
	id, flags, times := byte(0xc0), byte(0), []byte{}
	if pid == videoPID {
		id = 0xe0
	}
	if pts >= 0 {
		flags, times = 0x80, pesTime(0x20, pts)
		if dts >= 0 && dts != pts {
			flags, times = 0xc0, slices.Concat(pesTime(0x30, pts), pesTime(0x10, dts))
		}
	}
	length := 0
	if bounded {
		length = 3 + len(times) + len(data)
	}
	head := []byte{0, 0, 1, id, byte(length >> 8), byte(length), 0x80, flags, byte(len(times))}
	m.payload(pid, slices.Concat(head, times, data))
}

func pesTime(mark byte, t int64) []byte {
	t &= 1<<33 - 1
	return []byte{mark | byte(t>>29&0x0e) | 1, byte(t >> 22), byte(t>>14) | 1, byte(t >> 7), byte(t<<1) | 1}
}

// payload writes b in packets, the first of them with the start indicator.
func (m *muxer) payload(pid int, b []byte) {
	if m.counters == nil {
		m.counters = map[int]byte{}
	}
	for first := true; first || len(b) > 0; first = false {
		head := []byte{0x47, byte(pid >> 8), byte(pid), 0x10 | m.counters[pid]&15}
		m.counters[pid]++
		if first {
			head[1] |= 0x40
		}
		if room := 184 - len(b); room > 0 { // an adaptation field fills it
			head[3] |= 0x20
			head = append(head, byte(room-1))
			if room > 1 {
				head = append(head, 0)
				head = append(head, slices.Repeat([]byte{0xff}, room-2)...)
			}
		}
		n := min(len(b), 188-len(head))
		if m.stride == 192 {
			m.b = append(m.b, 1, 2, 3, 4)
		}
		m.b = append(append(m.b, head...), b[:n]...)
		if m.stride == 204 {
			m.b = append(m.b, make([]byte, 16)...)
		}
		b = b[n:]
	}
}
