package mpegts

import "encoding/binary"

const (
	tablePAT, tablePMT = 0, 2
	maxSection         = 1024 // of PAT and PMT
	maxPrograms        = 64
)

// A section collects one section of a table from the packets of its PID
// (ISO/IEC 13818-1, section 2.4.4).
type section struct {
	b       []byte
	open    bool
	counter int8
}

// feed takes the payload of a packet and returns the sections that are whole
// and right, valid until the next call.
func (s *section) feed(h header, use func(body []byte)) {
	payload := h.payload
	if len(payload) == 0 || h.damaged {
		s.open = false
		return
	}
	if s.open && !h.start && h.counter != (s.counter+1)&15 {
		s.open = false
	}
	s.counter = h.counter
	if h.start {
		n := int(payload[0])
		if payload = payload[1:]; n > len(payload) {
			s.open = false
			return
		}
		if s.open {
			s.b = append(s.b, payload[:n]...)
			s.take(use)
		}
		payload, s.b, s.open = payload[n:], s.b[:0], true
	}
	if s.open {
		s.b = append(s.b, payload...)
		s.take(use)
	}
}

// take uses the sections that are whole.
func (s *section) take(use func(body []byte)) {
	const stuffing = 0xff
	for s.open {
		if len(s.b) > 0 && s.b[0] == stuffing {
			s.open = false
			return
		}
		if len(s.b) < 3 {
			return
		}
		n := 3 + int(binary.BigEndian.Uint16(s.b[1:])&0xfff)
		if n > maxSection {
			s.open = false
			return
		}
		if len(s.b) < n {
			return
		}
		// A syntax indicator, a header of 8 bytes and a checksum of 4.
		if b := s.b[:n]; n >= 12 && b[1]&0x80 != 0 && checksum(b) == 0 && b[5]&1 == 1 {
			use(b[:n-4])
		}
		s.b = append(s.b[:0], s.b[n:]...)
	}
}

// checksum is CRC_32 (ISO/IEC 13818-1, annex A); 0 of a section that has its
// own behind it.
func checksum(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		crc = crc<<8 ^ crcTable[byte(crc>>24)^c]
	}
	return crc
}

var crcTable = func() (table [256]uint32) {
	const polynomial = 0x04c11db7
	for i := range table {
		crc := uint32(i) << 24
		for range 8 {
			if crc&0x80000000 != 0 {
				crc = crc<<1 ^ polynomial
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()

// parsePAT returns the PIDs on which the programs are described.
func parsePAT(b []byte) (pids []int) {
	if b[0] != tablePAT {
		return nil
	}
	for b = b[8:]; len(b) >= 4 && len(pids) < maxPrograms; b = b[4:] {
		if binary.BigEndian.Uint16(b) != 0 { // 0 is the network's
			pids = append(pids, int(binary.BigEndian.Uint16(b[2:])&0x1fff))
		}
	}
	return pids
}

// An entry is an elementary stream as a PMT announces it.
type entry struct {
	pid      int
	kind     kind
	name     string // of the kind, for people
	channels int    // of Opus
}

// parsePMT returns the elementary streams of a program.
func parsePMT(b []byte) (entries []entry) {
	if b[0] != tablePMT || len(b) < 12 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(b[10:]) & 0xfff)
	if b = b[12:]; n > len(b) {
		return nil
	}
	for b = b[n:]; len(b) >= 5; {
		e := entry{pid: int(binary.BigEndian.Uint16(b[1:]) & 0x1fff)}
		n := int(binary.BigEndian.Uint16(b[3:]) & 0xfff)
		if n > len(b)-5 {
			return entries
		}
		e.classify(b[0], b[5:5+n])
		entries = append(entries, e)
		b = b[5+n:]
	}
	return entries
}
