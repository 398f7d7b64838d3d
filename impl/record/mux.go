package record

import (
	"bytes"
	"context"
	"io"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

const (
	// silentFor is how long a track that brings nothing holds up the other.
	silentFor = 2 * time.Second

	// sameClock is how far two tracks of one clock may be apart.
	sameClock = 30 * time.Second

	// minHole is how much sound has to be missing before that is told, where
	// nothing is known to be lost.
	minHole = 100 * time.Millisecond

	// maxOffsets is how many clocks are remembered.
	maxOffsets = 8
)

// A mux puts the samples of all tracks in the order of their decoding times, on
// the clock of the recording.
type mux struct {
	ready   <-chan struct{}
	lanes   []*lane
	offsets []time.Duration // of the broadcast's clocks, the newest last
	now     time.Duration   // where the recording ends so far
	begun   bool            // a packet was returned
	gaps    gapList
	timer   *time.Timer
}

func (m *mux) add(k kind, t media.Track, q *queue) {
	l := &lane{id: t.ID, kind: k, queue: q}
	if t.Video != nil {
		l.config = t.Video.Description
	} else {
		l.config = t.Audio.Description
	}
	m.lanes = append(m.lanes, l)
}

// read waits for the next packet.
func (m *mux) read(ctx context.Context, p *media.Packet) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l, wait, err := m.next()
		if err != nil {
			return err
		}
		if l != nil {
			if m.deliver(l, p) {
				return nil
			}
			continue
		}
		m.sleep(ctx, wait)
	}
}

// sleep waits until something has changed, for wait at most unless that is 0.
func (m *mux) sleep(ctx context.Context, wait time.Duration) {
	var expired <-chan time.Time
	if wait > 0 {
		if m.timer == nil {
			m.timer = time.NewTimer(wait)
		}
		m.timer.Reset(wait)
		defer m.timer.Stop()
		expired = m.timer.C
	}
	select {
	case <-m.ready:
	case <-expired:
	case <-ctx.Done():
	}
}

// next returns the lane whose first sample comes next, or how long that is to be
// waited for; 0: until something changes.
func (m *mux) next() (*lane, time.Duration, error) {
	lacking, ended := m.look()
	if ended == len(m.lanes) {
		return nil, 0, m.end()
	}
	var best *lane
	var strange []*lane // with a clock that is not placed yet
	for _, l := range m.lanes {
		switch {
		case !l.hasHead:
		case l.head.rewound && !l.placed:
			strange = append(strange, l)
		case best == nil || l.at() < best.at():
			best = l
		}
	}
	pressing := slices.ContainsFunc(m.lanes, (*lane).presses)
	if len(strange) > 0 && (best == nil && (pressing || !lacking) || slices.ContainsFunc(strange, (*lane).presses)) {
		m.place(strange)
		return m.next()
	}
	if best != nil && (pressing || best.measured() && (!lacking || m.ahead(best))) {
		return best, 0, nil
	}
	return nil, m.patience(), nil
}

// look looks at the queues. lacking says that one has nothing and goes on.
func (m *mux) look() (lacking bool, ended int) {
	for _, l := range m.lanes {
		l.look = l.queue.look()
		if l.ended && !l.hasHead {
			ended++
			m.leave(l)
		}
		lacking = lacking || !l.hasHead && !l.ended
	}
	return lacking, ended
}

// ahead reports whether no lane that has nothing can bring something before l.
func (m *mux) ahead(l *lane) bool {
	for _, other := range m.lanes {
		if !other.hasHead && !other.ended && (!other.begun || other.decoded < l.at()) {
			return false
		}
	}
	return true
}

// patience is how long the first of the samples that are there may still wait; 0:
// there is none.
func (m *mux) patience() (wait time.Duration) {
	for _, l := range m.lanes {
		if l.hasHead {
			left := max(silentFor-time.Since(l.head.queued), 1)
			if wait == 0 || left < wait {
				wait = left
			}
		}
	}
	return wait
}

// leave tells once what was lost at the end of a track.
func (m *mux) leave(l *lane) {
	if l.gone {
		return
	}
	l.gone = true
	if _, lost := l.queue.conclusion(); lost != nil {
		m.gaps.add(Gap{Track: l.id, Start: l.end, End: l.end, Err: lost})
	}
}

// end is the error after the last packet. If there was none at all, it is what is
// wrong with them.
func (m *mux) end() error {
	var unread error
	for _, l := range m.lanes {
		err, lost := l.queue.conclusion()
		if err != nil {
			return err
		}
		if unread == nil {
			unread = lost
		}
	}
	if unread != nil && !m.begun {
		return unread
	}
	return io.EOF
}

// place finds the offsets of new clocks: one that another track has found, if the
// time there is near, or else what makes the recording go on where it ends.
func (m *mux) place(strange []*lane) {
	var unknown []*lane
	for _, l := range strange {
		if offset, ok := m.known(l); ok {
			l.offset, l.placed = offset, true
		} else {
			unknown = append(unknown, l)
		}
	}
	if len(unknown) == 0 {
		return
	}
	// At the beginning, sound before the first picture is left out.
	first := unknown[0]
	for _, l := range unknown {
		if l.head.PTS < first.head.PTS && (m.begun || first.kind != video) {
			first = l
		}
	}
	offset := m.now - first.head.PTS
	if len(m.offsets) == maxOffsets {
		m.offsets = slices.Delete(m.offsets, 0, 1)
	}
	m.offsets = append(m.offsets, offset)
	for _, l := range unknown {
		if (l.head.PTS - first.head.PTS).Abs() <= sameClock {
			l.offset, l.placed = offset, true
		}
	}
}

// known returns the offset of a known clock on which the first sample of l is
// nearest to where the recording ends.
func (m *mux) known(l *lane) (offset time.Duration, ok bool) {
	nearest := sameClock
	for _, o := range m.offsets {
		at := l.head.PTS + o
		if apart := (at - m.now).Abs(); apart <= nearest && (!l.begun || at >= l.end-minRewind) {
			offset, ok, nearest = o, true, apart
		}
	}
	return offset, ok
}

// deliver takes the first sample of l into p. It reports false of one that lies
// before the recording's beginning.
func (m *mux) deliver(l *lane, p *media.Packet) bool {
	s := &l.head
	duration, natural := l.durations()
	l.placed = false
	p.Payload = l.queue.take(p.Payload[:0])
	pts, dts := s.PTS+l.offset, s.DTS+l.offset
	if !l.begun && (!s.Key || pts < 0 || dts < 0 && m.begun) {
		return false
	}
	if l.begun {
		if dts = max(dts, l.decoded); l.kind == audio {
			pts = max(pts, dts)
		}
		if l.misses(pts - l.end) {
			m.gaps.add(Gap{Track: l.id, Start: min(l.end, pts), End: pts, Err: s.lost})
		}
	}
	p.Track, p.PTS, p.DTS, p.Duration, p.Key, p.Config = l.id, pts, dts, duration, s.Key, nil
	if s.Config != nil && !bytes.Equal(s.Config, l.config) {
		p.Config, l.config = s.Config, s.Config
	}
	l.decoded, l.end = dts, max(l.end, pts+natural)
	l.begun, m.begun = true, true
	m.now = max(m.now, l.end)
	return true
}
