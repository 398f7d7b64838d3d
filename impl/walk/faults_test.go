package walk

import (
	"fmt"
	"time"
)

// cut is a step: the connections of a link break, and both ends know at once.
type cut struct{ link string }

func (c *cut) String() string       { return fmt.Sprintf("link %s is cut", c.link) }
func (c *cut) lasts() time.Duration { return 0 }

func (c *cut) run(s *stage) {
	s.link(c.link).each(func(e *end) {
		s.spawn(func() {
			e.sever()
			e.thaw()
		})
	})
}

// flap is a step: a link is cut again and again.
type flap struct {
	link     string
	every, d time.Duration
}

func (f *flap) String() string {
	return fmt.Sprintf("link %s is cut each %v for %v", f.link, f.every, f.d)
}

func (f *flap) lasts() time.Duration { return f.d }

func (f *flap) run(s *stage) {
	l, until := s.link(f.link), time.Now().Add(f.d)
	s.spawn(func() {
		for time.Now().Before(until) {
			l.each((*end).sever)
			time.Sleep(f.every)
		}
		l.each((*end).thaw)
	})
}

// freeze is a step: nothing passes a link for a while; then all of it passes,
// or the link is cut.
type freeze struct {
	link string
	d    time.Duration
	cut  bool
}

func (f *freeze) String() string {
	return fmt.Sprintf("link %s stands still for %v%s", f.link, f.d, map[bool]string{true: " and is cut"}[f.cut])
}

func (f *freeze) lasts() time.Duration { return f.d }

func (f *freeze) run(s *stage) {
	s.link(f.link).each(func(e *end) {
		e.freeze()
		s.spawn(func() {
			time.Sleep(f.d)
			if f.cut {
				e.sever()
			}
			e.thaw()
		})
	})
}

// reset is a step: all streams of a link are reset, but its sessions stay.
type reset struct{ link string }

func (r *reset) String() string       { return fmt.Sprintf("all streams of link %s are reset", r.link) }
func (r *reset) lasts() time.Duration { return 0 }

func (r *reset) run(s *stage) {
	s.link(r.link).each((*end).reset)
}

// leaving is a step: a relay asks the other end of a link to leave.
type leaving struct{ link, relay string }

func (l *leaving) String() string {
	return fmt.Sprintf("relay %s says GOAWAY on link %s", l.relay, l.link)
}

func (l *leaving) lasts() time.Duration { return 0 }

func (l *leaving) run(s *stage) {
	n := s.nodes[l.relay]
	n.mu.Lock()
	p := n.now
	n.mu.Unlock()
	if p != nil {
		p.goAway(s.link(l.link))
	}
}
