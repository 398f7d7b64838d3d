package message

import "io"

// The range of signed numbers.
const (
	MinZigzag = -1 << 61
	MaxZigzag = 1<<61 - 1
)

func zigzag(n int64) uint64 {
	n = max(MinZigzag, min(n, MaxZigzag))
	return uint64(n<<1) ^ uint64(n>>63)
}

func unzigzag(x uint64) int64 { return int64(x>>1) ^ -int64(x&1) }

// AppendZigzag appends n, or the nearest number between [MinZigzag] and
// [MaxZigzag].
func (v *Version) AppendZigzag(b []byte, n int64) []byte { return v.AppendVarint(b, zigzag(n)) }

// ZigzagLen returns how many bytes AppendZigzag adds for n.
func (v *Version) ZigzagLen(n int64) int { return v.VarintLen(zigzag(n)) }

// ParseZigzag is like [Version.ParseVarint].
func (v *Version) ParseZigzag(b []byte) (x int64, n int, err error) {
	u, n, err := v.ParseVarint(b)
	return unzigzag(u), n, err
}

// ReadZigzag is like [Version.ReadVarint].
func (v *Version) ReadZigzag(r io.ByteReader) (int64, error) {
	u, err := v.ReadVarint(r)
	return unzigzag(u), err
}
