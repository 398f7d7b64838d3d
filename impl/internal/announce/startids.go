package announce

import (
	"cmp"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// startIDs maps the ids of the broadcasts announced on a stream to their paths. An id is
// the number of the ANNOUNCE_START on the stream (moq-lite-06). The list is in the order
// of the ids; ended broadcasts are removed when they are more than half of it.
type startIDs struct {
	list  []startID
	ended int    // number of ended broadcasts in list
	next  uint64 // the id of the next ANNOUNCE_START
	gaps  bool   // an announcement was left out
}

type startID struct {
	id   uint64
	path api.BroadcastPath // endedPath once the broadcast has ended
}

// endedPath is not a clean path, so no broadcast has it.
const endedPath = "/"

// grow makes room for n more broadcasts.
func (l *startIDs) grow(n int) { l.list = slices.Grow(l.list, n) }

// addPath gives path the next id. The list grows by doubling, but begins small: most
// streams announce few broadcasts.
func (l *startIDs) addPath(path api.BroadcastPath) {
	if len(l.list) == cap(l.list) {
		l.list = slices.Grow(l.list, max(16, len(l.list)))
	}
	l.list = append(l.list, startID{l.next, path})
	l.next++
}

// leaveOut counts an ANNOUNCE_START whose broadcast is left out.
func (l *startIDs) leaveOut() {
	l.next++
	l.gaps = true
}

// mayBeLeftOut reports whether an id that is not in the list may be that of a broadcast
// that was left out.
func (l *startIDs) mayBeLeftOut(id uint64) bool { return l.gaps && id < l.next }

// find returns the index of the broadcast with an id, and whether it is announced.
func (l *startIDs) find(id uint64) (int, bool) {
	i, ok := slices.BinarySearchFunc(l.list, id, func(s startID, id uint64) int { return cmp.Compare(s.id, id) })
	return i, ok && l.list[i].path != endedPath
}

// path returns the path of an announced broadcast.
func (l *startIDs) path(id uint64) (api.BroadcastPath, bool) {
	i, ok := l.find(id)
	if !ok {
		return "", false
	}
	return l.list[i].path, true
}

// removeID ends the broadcast with an id, and returns its path. It only marks the
// entry, since to remove each one at once would move half of the list every time.
func (l *startIDs) removeID(id uint64) (api.BroadcastPath, bool) {
	i, ok := l.find(id)
	if !ok {
		return "", false
	}
	path := l.list[i].path
	l.list[i].path = endedPath
	l.ended++
	if l.ended > len(l.list)/2 {
		l.compact()
	}
	return path, true
}

// compact removes ended broadcasts from the list.
func (l *startIDs) compact() {
	l.list = slices.DeleteFunc(l.list, func(s startID) bool { return s.path == endedPath })
	l.ended = 0
	if cap(l.list) > 64 && cap(l.list) > 4*len(l.list) {
		l.list = slices.Clone(l.list)
	}
}
