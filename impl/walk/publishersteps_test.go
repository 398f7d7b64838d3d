package walk

import (
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
)

// crash is a step: a publisher's process is killed.
type crash struct {
	publisher string
	silent    time.Duration
}

func (c *crash) String() string {
	return fmt.Sprintf("publisher %s crashes, silent for %v", c.publisher, c.silent)
}
func (c *crash) lasts() time.Duration { return c.silent }
func (c *crash) run(s *stage) {
	if p := s.publisher(c.publisher); p != nil {
		p.crash(c.silent)
	}
}

// leave is a step: a publisher leaves.
type leave struct {
	publisher string
	inOrder   bool
}

func (l *leave) String() string {
	if l.inOrder {
		return fmt.Sprintf("publisher %s ends its tracks, and leaves 5s later", l.publisher)
	}
	return fmt.Sprintf("publisher %s leaves", l.publisher)
}

func (l *leave) lasts() time.Duration { return 6 * time.Second }

func (l *leave) run(s *stage) {
	if p := s.publisher(l.publisher); p != nil {
		p.leave(l.inOrder)
	}
}

// reroute is a step: a publisher announces its broadcast with other costs.
type reroute struct {
	publisher string
	cost      uint64
}

func (r *reroute) String() string {
	return fmt.Sprintf("publisher %s announces cost %d", r.publisher, r.cost)
}
func (r *reroute) lasts() time.Duration { return 0 }

func (r *reroute) run(s *stage) {
	if p := s.publisher(r.publisher); p != nil {
		_ = p.mux.Update(api.Announcement{Path: p.path(), Warm: r.cost, Cold: r.cost})
	}
}

// finale is a step: a track ends, in all publishers of one numbering.
type finale struct {
	publisher string
	track     api.TrackName
}

func (f *finale) String() string {
	return fmt.Sprintf("the numbering of publisher %s ends track %s", f.publisher, f.track)
}
func (f *finale) lasts() time.Duration { return 6 * time.Second }

func (f *finale) run(s *stage) {
	p := s.publisher(f.publisher)
	if p == nil || !p.there() {
		return
	}
	for _, other := range s.publishers {
		if other.truth == p.truth && other.there() {
			other.end(f.track)
		}
	}
}
