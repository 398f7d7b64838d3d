package walk

import (
	"bytes"
	"strconv"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A numbering is a run of group numbers of a broadcast. Publishers of one
// numbering continue each other's numbers, one after the other or at the same
// time, and write the same frames under the same number.
type numbering struct {
	id     int
	tracks map[api.TrackName]*count
}

// A count is the numbering of one track. Group n begins at begun + n periods.
type count struct {
	spec trackSpec
	id   int
	path api.BroadcastPath

	mu      sync.Mutex
	begun   time.Time
	next    api.GroupSequence // one above the highest begun
	writers int
	ended   time.Time // when the publishers have ended the track; zero before
}

func newNumbering(id int, b broadcastSpec) *numbering {
	n := &numbering{id: id, tracks: make(map[api.TrackName]*count)}
	for _, t := range b.tracks {
		n.tracks[t.name] = &count{spec: t, id: id, path: b.path}
	}
	return n
}

// start begins to write, and returns the first number. Without holes, that is
// the number after the last one, however long ago it was, unless others write.
func (c *count) start(holes bool) api.GroupSequence {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.writers++
	switch {
	case c.begun.IsZero():
		c.begun = now
	case !holes && c.writers == 1 || c.spec.endless:
		c.begun = now.Add(-time.Duration(c.next) * c.spec.period)
	}
	behind := now.Sub(c.begun) + c.spec.period - 1
	return max(api.GroupSequence(behind/c.spec.period), c.next)
}

// stop ends what start began.
func (c *count) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writers--
}

// due returns when a group begins.
func (c *count) due(seq api.GroupSequence) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun.Add(time.Duration(seq) * c.spec.period)
}

// resembles reports whether two numberings have a number at about the same
// time, so that one cannot be told from a standby of the other.
func (c *count) resembles(other *count, seq api.GroupSequence) bool {
	apart := c.due(seq).Sub(other.due(seq)).Abs()
	return apart <= 3*c.spec.period
}

// begin records that a group begins.
func (c *count) begin(seq api.GroupSequence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = max(c.next, seq+1)
}

// end records that the publishers end the track.
func (c *count) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended.IsZero() {
		c.ended = time.Now()
	}
}

// hasEnded reports whether nothing more will be written.
func (c *count) hasEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.ended.IsZero()
}

// hasEndedSoon reports whether nothing more will be written, and the end came so
// soon after the beginning that viewers may not have noticed either.
func (c *count) hasEndedSoon() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.ended.IsZero() && c.ended.Sub(c.begun) < settling
}

// highest returns one above the highest number that was begun.
func (c *count) highest() api.GroupSequence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next
}

// random returns a number that depends only on the numbering, the group and i.
func (c *count) random(seq api.GroupSequence, i int) int {
	h := (uint64(c.id)<<40 ^ uint64(seq)<<8 ^ uint64(i)) * 0x9e3779b97f4a7c15
	return int((h ^ h>>29) * 0xbf58476d1ce4e5b9 >> 33)
}

// frames returns how many frames a group has; -1 is endless.
func (c *count) frames(seq api.GroupSequence) int {
	if c.spec.endless {
		return -1
	}
	return 1 + c.random(seq, -1)%c.spec.frames
}

// breaks reports whether publishers reset a group when its last frame is due.
func (c *count) breaks(seq api.GroupSequence) bool {
	return c.spec.breaks && c.random(seq, -2)%5 == 0
}

// frame returns a frame of the numbering: its name in words, and filling.
func (c *count) frame(buf []byte, seq api.GroupSequence, i int) []byte {
	size := 1 + c.random(seq, i)%c.spec.size
	buf = strconv.AppendInt(buf[:0], int64(c.id), 10)
	buf = append(append(append(append(buf, ' '), c.path...), '/'), c.spec.name...)
	buf = strconv.AppendUint(append(buf, ' '), uint64(seq), 10)
	buf = append(strconv.AppendInt(append(buf, '/'), int64(i), 10), ':')
	for len(buf) < size {
		buf = append(buf, byte(seq)^byte(i))
	}
	return buf
}

// idOf returns the numbering that a frame says it belongs to.
func idOf(payload []byte) int {
	id, _, _ := bytes.Cut(payload, []byte(" "))
	n, err := strconv.Atoi(string(id))
	if err != nil {
		return -1
	}
	return n
}
