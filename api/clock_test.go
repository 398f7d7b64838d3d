package api_test

import (
	"math"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
)

func TestTimestamp(t *testing.T) {
	at := time.Date(2026, time.March, 4, 5, 6, 7, 891_234_567, time.FixedZone("", 3600))
	for _, test := range []struct {
		scale uint64
		at    time.Time
		want  uint64
	}{
		{0, at, uint64(at.UnixMilli())},
		{1000, at, uint64(at.UnixMilli())},
		{1, at, uint64(at.Unix())},
		{1_000_000, at, uint64(at.UnixMicro())},
		{1_000_000_000, at, uint64(at.UnixNano())},
		{90_000, time.Unix(2, 500_011_111), 225_000},
		{90_000, time.Unix(2, 500_011_112), 225_001},
		{0, time.Unix(-1, 999_999_999), 0},
		{0, time.Time{}, 0},
		{math.MaxUint64, time.Unix(2, 0), math.MaxUint64},
		{math.MaxUint64, time.Unix(1, 1), math.MaxUint64},
		{2, time.Unix(math.MaxInt64, 999_999_999), math.MaxUint64},
	} {
		if got := (api.TrackInfo{Timescale: test.scale}).Timestamp(test.at); got != test.want {
			t.Errorf("%v at %d/s is %d, want %d", test.at, test.scale, got, test.want)
		}
	}
}

// TestTimestampAndBack: the time of a timestamp has that timestamp, and the time
// of a time's timestamp is not after it.
func TestTimestampAndBack(t *testing.T) {
	for _, scale := range []uint64{0, 1, 3, 1000, 44_100, 48_000, 90_000, 999_999_937, 1_000_000_000} {
		info := api.TrackInfo{Timescale: scale}
		for _, timestamp := range []uint64{0, 1, 2, 3, 999, 1001, 44_099, 90_001, 1_700_000_000_123, 1 << 40, 1<<53 - 1} {
			if got := info.Timestamp(info.Time(timestamp)); got != timestamp {
				t.Errorf("at %d/s, %d is at %v, which is %d", scale, timestamp, info.Time(timestamp), got)
			}
		}
		at := time.Unix(1_772_600_000, 123_456_789)
		if back := info.Time(info.Timestamp(at)); back.After(at) || at.Sub(back) > time.Second {
			t.Errorf("at %d/s, %v becomes %v", scale, at, back)
		}
	}
	if got := (api.TrackInfo{Timescale: 1}).Time(math.MaxUint64); got.Location() != time.UTC {
		t.Errorf("the location is %v", got.Location())
	}
}
