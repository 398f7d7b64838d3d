package media

import (
	"strconv"
	"strings"
)

// codecFault says why readers that take codec strings apart, which those in Rust
// do, refuse a codec, and with it the whole catalog; "" if they do not. A string
// that is of none of these families is taken as it is.
func codecFault(codec string) string {
	family, rest, _ := strings.Cut(codec, ".")
	parts := strings.Split(rest, ".")
	switch {
	case codec == "":
		return `it is empty: name it as WebCodecs does, such as "avc1.64001f" or "opus"`
	case codec == family:
		return ""
	case (family == "avc1" || family == "avc3") && !isAVC(parts):
		return `after the dot there are six hex digits, such as "` + family + `.64001f"`
	case (family == "hvc1" || family == "hev1") && !isHEVC(parts):
		return `it has the form of "` + family + `.1.6.L93.B0"`
	case family == "vp09" && !isVP9(parts):
		return `it has the form of "vp09.00.10.08" or of "vp09.00.10.08.01.01.01.01.00"`
	case family == "av01" && !isAV1(parts):
		return `it has the form of "av01.0.04M.08" or of "av01.0.04M.08.0.110.01.01.01.0"`
	case strings.HasPrefix(codec, "mp4a.40.") && !isNumber(codec[len("mp4a.40."):], 10):
		return `it has the form of "mp4a.40.2"`
	}
	return ""
}

// isAVC reports on the parts of profile, constraints and level.
func isAVC(parts []string) bool {
	return len(parts[0]) == 6 && isNumber(parts[0][:2], 16) && isNumber(parts[0][2:4], 16) && isNumber(parts[0][4:], 16)
}

// isHEVC reports on profile, compatibility flags, tier with level, and up to six
// bytes of constraints (ISO/IEC 14496-15, annex E.3).
func isHEVC(parts []string) bool {
	if len(parts) < 3 || len(parts) > 9 {
		return false
	}
	profile := parts[0]
	if profile != "" && 'A' <= profile[0] && profile[0] <= 'C' {
		profile = profile[1:]
	}
	_, err := strconv.ParseUint(parts[1], 16, 32)
	level := parts[2]
	if !isNumber(profile, 10) || err != nil || level == "" || level[0] != 'L' && level[0] != 'H' || !isNumber(level[1:], 10) {
		return false
	}
	return all(parts[3:], 16)
}

// isVP9 reports on profile, level and bit depth, and five more or none.
func isVP9(parts []string) bool {
	return (len(parts) == 3 || len(parts) == 8) && all(parts, 10)
}

// isAV1 reports on profile, level with tier and bit depth, and six more or none.
func isAV1(parts []string) bool {
	if len(parts) != 3 && len(parts) != 9 || !all(parts[3:], 10) {
		return false
	}
	if !isDigits(parts[0], "2") || len(parts[1]) != 3 || !isDigits(parts[1][:2], "99") || !strings.ContainsRune("MH", rune(parts[1][2])) || !isDigits(parts[2], "99") {
		return false
	}
	for i, highest := range []string{"9", "113", "99", "99", "99", "1"}[:len(parts)-3] {
		if !isDigits(parts[3+i], highest) {
			return false
		}
	}
	return true
}

// all reports whether all parts are bytes in a base.
func all(parts []string, base int) bool {
	for _, part := range parts {
		if !isNumber(part, base) {
			return false
		}
	}
	return true
}

// isNumber reports whether s is a byte in a base.
func isNumber(s string, base int) bool {
	_, err := strconv.ParseUint(s, base, 8)
	return err == nil
}

// isDigits reports whether s has as many digits as highest, and none above the
// one there.
func isDigits(s, highest string) bool {
	if len(s) != len(highest) {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > highest[i] {
			return false
		}
	}
	return true
}
