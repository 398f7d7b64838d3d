package record

import "time"

// A lane is a track of a mux.
type lane struct {
	id     int
	kind   kind
	queue  *queue
	config []byte // the description that holds

	offset  time.Duration // of the clock of what comes next
	placed  bool          // that clock is new, and has its offset
	begun   bool          // a packet was returned
	usual   time.Duration // how long its packets last
	shown   time.Duration // the latest that was returned, on the broadcast's clock
	end     time.Duration // where the track ends so far
	decoded time.Duration // when the last packet that was returned is
	gone    bool          // its end was told

	look // at its queue
}

// at is when the first sample is decoded.
func (l *lane) at() time.Duration { return l.head.DTS + l.offset }

// presses reports whether the first sample can wait for nothing any more.
func (l *lane) presses() bool {
	return l.hasHead && (l.full || time.Since(l.head.queued) >= silentFor)
}

// measured reports whether it is known how long the first sample lasts.
func (l *lane) measured() bool { return l.hasNext || l.ended || l.head.Duration > 0 }

// misses reports whether something is missing before the first sample, in so much
// time. A group that broke off behind its last frame has lost nothing.
func (l *lane) misses(hole time.Duration) bool {
	if l.head.lost != nil {
		return l.head.rewound || hole > l.usual/2
	}
	return l.kind == audio && hole > minHole
}

// durations returns how long the first sample lasts: until the next one is
// decoded, and naturally, without what is missing behind it; 0: it is not known.
func (l *lane) durations() (duration, natural time.Duration) {
	s := &l.head
	if l.shown = max(l.shown, s.PTS); s.rewound {
		l.shown = s.PTS
	}
	natural = s.Duration
	if l.hasNext && !l.next.rewound {
		duration = max(l.next.DTS-s.DTS, 0)
		whole := l.next.lost == nil && (l.kind == video || duration <= minHole)
		if natural == 0 && whole {
			natural = duration
		}
	}
	if natural > 0 {
		l.usual = natural
	} else if natural = l.usual; s.ends > l.shown {
		natural = s.ends - l.shown
	}
	if duration == 0 {
		duration = natural
	}
	return duration, natural
}
