package mergepatch

import "encoding/json"

// A member is one of an object in a JSON text.
type member struct {
	key   []byte // with its quotes, as it was written
	value []byte
}

// name returns the key as all ways to write it have in common.
func (m member) name() string {
	for _, c := range m.key {
		if c == '\\' {
			var name string
			_ = json.Unmarshal(m.key, &name) // it is valid
			return name
		}
	}
	return string(m.key[1 : len(m.key)-1])
}

// appendMembers appends the members of an object, which is a compact JSON text.
func appendMembers(dst []member, object []byte) []member {
	for i := 1; object[i] != '}'; {
		if object[i] == ',' {
			i++
		}
		colon := skipString(object, i)
		end := skipValue(object, colon+1)
		dst = append(dst, member{object[i:colon], object[colon+1 : end]})
		i = end
	}
	return dst
}

// skipString returns where the string that begins at i ends.
func skipString(text []byte, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns where the value that begins at i ends.
func skipValue(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			i = skipString(text, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // of what holds the value
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

func isObject(text []byte) bool { return text[0] == '{' }
func isNull(text []byte) bool   { return text[0] == 'n' }
