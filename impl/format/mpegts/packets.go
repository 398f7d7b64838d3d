package mpegts

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

const (
	packetSize = 188
	syncByte   = 0x47
	nullPID    = 0x1fff
)

// strides are the distances from one packet to the next that there are: plain,
// after a time code of 4 bytes (M2TS), and before 16 bytes of error correction.
var strides = [...]int{packetSize, 192, 204}

// packets finds the packets of a stream, and finds them again after garbage.
type packets struct {
	r       *bufio.Reader
	stride  int // from packet to packet; 0: to be found
	skip    int // bytes of the packet that was returned last, and behind it
	read    int64
	limit   int64  // of read, beyond which nothing is looked for; 0: none
	skipped uint64 // bytes that were no packets
}

// errSearched is of a source that has shown no packets within its limit.
var errSearched = errors.New("mpegts: nothing found")

func newPackets(r io.Reader) packets {
	return packets{r: bufio.NewReaderSize(r, 256*packetSize)}
}

// next returns the next packet, which is valid until the next call. It blocks
// until the source has it. The error is io.EOF after the last whole packet.
func (p *packets) next() ([]byte, error) {
	p.discard(p.skip)
	p.skip = 0
	for {
		b, err := p.r.Peek(packetSize)
		if err != nil {
			if errors.Is(err, io.EOF) {
				p.skipped += uint64(len(b))
				err = io.EOF
			}
			return nil, err
		}
		if b[0] == syncByte && p.stride > 0 {
			p.skip = p.stride
			return b, nil
		}
		if err := p.sync(); err != nil {
			return nil, err
		}
	}
}

// discard skips n bytes; what is missing at the end of the source is told by
// the next Peek.
func (p *packets) discard(n int) {
	n, _ = p.r.Discard(n)
	p.read += int64(n)
}

// sync skips to where packets begin: where three follow each other in one of
// the strides, or as many as there are before the end.
func (p *packets) sync() error {
	const enough = 2*204 + 1
	for p.limit == 0 || p.read < p.limit {
		b, err := p.r.Peek(enough)
		if len(b) < packetSize {
			p.lose(len(b))
			return err
		}
		if p.stride = strideAt(b, err != nil); p.stride > 0 {
			const timeCode = 192 - packetSize
			if p.stride == 192 && p.skipped == timeCode && p.read == timeCode {
				p.skipped = 0 // that of the first packet
			}
			return nil
		}
		next := bytes.IndexByte(b[1:], syncByte)
		if next < 0 {
			next = len(b) - 1
		}
		p.lose(1 + next)
	}
	return errSearched
}

func (p *packets) lose(n int) {
	p.discard(n)
	p.skipped += uint64(n)
}

// strideAt returns the stride of the packets that begin at b; 0: none does. At
// the end of a source fewer packets are enough.
func strideAt(b []byte, end bool) int {
	if b[0] != syncByte {
		return 0
	}
	for _, stride := range strides {
		if len(b) <= 2*stride && !end {
			return 0
		}
		found := true
		for at := stride; at <= 2*stride && at < len(b); at += stride {
			found = found && b[at] == syncByte
		}
		if found {
			return stride
		}
	}
	return 0
}

// A header is what the first bytes of a packet tell (ISO/IEC 13818-1, section
// 2.4.3).
type header struct {
	pid           int
	start         bool // a section or a PES packet begins in it
	counter       int8
	discontinuous bool // the counter is right to begin anew
	damaged       bool // whoever received it says so
	scrambled     bool
	payload       []byte
}

func parseHeader(b []byte) header {
	h := header{
		damaged: b[1]&0x80 != 0,
		start:   b[1]&0x40 != 0,
		pid:     int(b[1]&0x1f)<<8 | int(b[2]),
		counter: int8(b[3] & 0x0f),
	}
	h.scrambled = b[3]&0xc0 != 0
	adapted, carries := b[3]&0x20 != 0, b[3]&0x10 != 0
	b = b[4:packetSize]
	if adapted {
		n := int(b[0])
		if n >= len(b) {
			carries = false
		} else {
			h.discontinuous = n > 0 && b[1]&0x80 != 0
			b = b[1+n:]
		}
	}
	if carries && !h.scrambled {
		h.payload = b
	}
	return h
}
