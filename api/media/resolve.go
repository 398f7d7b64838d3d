package media

import (
	"fmt"
	"strings"

	"github.com/moqlite/moqlite/api"
)

// ResolveBroadcast returns the path of the broadcast that a rendition names by a
// relative path, in the catalog of the broadcast at base. The empty one is base
// itself; otherwise the last segment of base is replaced, as that of a URL:
//
//	ResolveBroadcast("room/cam.hang", "./source")  // room/source
//	ResolveBroadcast("room/cam.hang", "../b.hang") // b.hang
//
// The error, which matches [ErrCatalog], is of a path that goes above the root.
// Real readers refuse such a rendition, or its whole catalog.
func ResolveBroadcast(base api.BroadcastPath, relative string) (api.BroadcastPath, error) {
	if relative == "" {
		return base, nil
	}
	segments := strings.Split(string(base.Clean()), "/")
	segments = segments[:len(segments)-1]
	for segment := range strings.SplitSeq(relative, "/") {
		switch segment {
		case "", ".":
		case "..":
			if len(segments) == 0 {
				return "", fmt.Errorf("%w: broadcast %q goes above the root of %q", ErrCatalog, relative, string(base))
			}
			segments = segments[:len(segments)-1]
		default:
			segments = append(segments, segment)
		}
	}
	return api.BroadcastPath(strings.Join(segments, "/")), nil
}
