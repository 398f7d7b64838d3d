package announce

import (
	"cmp"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// startIDs are the paths of the broadcasts announced on a stream by their ids,
// which are the numbers of their STARTs. The list is in their order and loses
// what has ended when that is half of it.
type startIDs struct {
	list  []startID
	ended int
	next  uint64
	gaps  bool // some were left out
}

type startID struct {
	id   uint64
	path api.BroadcastPath // or endedPath
}

// endedPath is no clean path.
const endedPath = "/"

// grow makes room for n broadcasts more.
func (l *startIDs) grow(n int) { l.list = slices.Grow(l.list, n) }

func (l *startIDs) add(path api.BroadcastPath) {
	if len(l.list) == cap(l.list) {
		l.list = slices.Grow(l.list, max(16, len(l.list)))
	}
	l.list = append(l.list, startID{l.next, path})
	l.next++
}

// leaveOut counts a broadcast that is not kept.
func (l *startIDs) leaveOut() {
	l.next++
	l.gaps = true
}

// mayBeLeftOut tells whether an id that is not in the list may be of one that was
// left out.
func (l *startIDs) mayBeLeftOut(id uint64) bool { return l.gaps && id < l.next }

// find returns where the broadcast with an id is in the list.
func (l *startIDs) find(id uint64) (int, bool) {
	i, ok := slices.BinarySearchFunc(l.list, id, func(s startID, id uint64) int { return cmp.Compare(s.id, id) })
	return i, ok && l.list[i].path != endedPath
}

func (l *startIDs) path(id uint64) (api.BroadcastPath, bool) {
	i, ok := l.find(id)
	if !ok {
		return "", false
	}
	return l.list[i].path, true
}

func (l *startIDs) remove(id uint64) (api.BroadcastPath, bool) {
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

// compact takes out what has ended.
func (l *startIDs) compact() {
	l.list = slices.DeleteFunc(l.list, func(s startID) bool { return s.path == endedPath })
	l.ended = 0
	if cap(l.list) > 64 && cap(l.list) > 4*len(l.list) {
		l.list = slices.Clone(l.list)
	}
}
