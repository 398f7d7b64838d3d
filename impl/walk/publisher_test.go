package walk

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
)

// begin is a step: a publisher appears. One that comes back is another
// publisher, which may have the identity and the numbering of an earlier one.
type begin struct {
	name      string
	link      linkSpec
	hop       api.Hop
	broadcast int // which of the world's
	numbering int
	holes     bool // it leaves out the groups of the time in which it was away
	handler   bool // serves its tracks by a handler of its own, not live
	lasting   bool // dials again when its session is lost
}

func (b *begin) lasts() time.Duration { return 0 }

func (b *begin) String() string {
	numbers := "going on where they stopped"
	if b.holes {
		numbers = "by the clock"
	}
	kind, session := "live", "plain"
	if b.handler {
		kind = "by a handler"
	}
	if b.lasting {
		session = "lasting"
	}
	return fmt.Sprintf("publisher %s begins at %v with a %s session: hop %d, broadcast %d %s, numbering %d, %s",
		b.name, b.link, session, b.hop, b.broadcast, kind, b.numbering, numbers)
}

// A publisher is one run of a publishing process.
type publisher struct {
	stage  *stage
	spec   *begin
	link   *link
	truth  *numbering
	client *impl.Client
	mux    *api.TrackMux
	halted chan struct{}   // closed when the process does nothing any more
	ctx    context.Context // the process
	die    context.CancelFunc
	public context.Context // the publication
	hide   context.CancelFunc

	mu      sync.Mutex
	gone    bool // it has left, or has crashed, or lost its plain session
	hidden  bool // it has withdrawn its broadcast
	session api.Session
	ending  map[api.TrackName]chan struct{} // closed when the track is to end
}

func (b *begin) run(s *stage) {
	p := &publisher{
		stage: s, spec: b,
		truth:  s.numbering(b.numbering, b.broadcast),
		mux:    api.NewTrackMux(),
		halted: make(chan struct{}),
		ending: make(map[api.TrackName]chan struct{}),
	}
	p.ctx, p.die = context.WithCancel(context.Background())
	p.public, p.hide = context.WithCancel(p.ctx)
	p.link = s.attach(b.link)
	p.client = &impl.Client{Config: p.link.config(b.hop), Transport: dialer{p.link, p.halted}}
	s.mu.Lock()
	s.publishers[b.name] = p
	s.mu.Unlock()
	for name := range p.truth.tracks {
		p.ending[name] = make(chan struct{})
	}
	if err := p.mux.Publish(p.public, p.path(), p.tracks()); err != nil {
		panic(err)
	}
	s.spawn(p.connect)
}

// connect connects the publisher.
func (p *publisher) connect() {
	var d api.Dialer = p.client
	if p.spec.lasting {
		d = impl.NewRedialer(p.client, policy)
	}
	for p.ctx.Err() == nil {
		session, err := d.Dial(p.ctx, url, p.mux)
		if err != nil {
			time.Sleep(500 * time.Millisecond)
			continue
		}
		p.mu.Lock()
		p.session = session
		p.mu.Unlock()
		ends := session.Context().Done()
		select {
		case <-p.ctx.Done():
		case <-ends:
		case <-p.whenToGo(session):
			_ = session.Terminate(api.SessionNoError, "")
		}
		p.mu.Lock()
		p.gone = true
		p.mu.Unlock()
		return
	}
}

// whenToGo tells a plain publisher that its peer has sent a GOAWAY. A lasting
// session handles that by itself.
func (p *publisher) whenToGo(s api.Session) <-chan struct{} {
	if p.spec.lasting {
		return nil
	}
	return s.GoneAway()
}

func (p *publisher) path() api.BroadcastPath {
	return p.stage.world.broadcasts[p.spec.broadcast].path
}

// there reports whether the publisher can be seen, if nothing between is wrong.
func (p *publisher) there() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.gone && p.public.Err() == nil
}

// withdrawn reports whether the publisher has withdrawn its broadcast.
func (p *publisher) withdrawn() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hidden
}

// tracks starts to write, and returns the handler of the tracks.
func (p *publisher) tracks() api.TrackHandler {
	if p.spec.handler {
		return p.handlers()
	}
	b := new(live.Broadcast)
	for name, c := range p.truth.tracks {
		sink := b.Track(name, api.TrackInfo{})
		first := c.start(p.spec.holes)
		p.stage.spawn(func() {
			defer c.stop()
			if p.write(p.ctx, c, name, sink, first) {
				_ = sink.Close()
			}
		})
	}
	return b
}

// handlers returns a handler that serves each subscriber by the clock, from the
// next group on.
func (p *publisher) handlers() api.TrackHandler {
	for _, c := range p.truth.tracks {
		c.start(p.spec.holes)
		context.AfterFunc(p.ctx, c.stop)
	}
	return api.TrackHandlerFunc(func(w api.TrackWriter) {
		name := w.Request().Name
		c := p.truth.tracks[name]
		if c == nil {
			_ = w.CloseWithError(api.StreamNotFound)
			return
		}
		defer c.stop()
		first := c.start(true)
		if from := w.Request().Config.StartGroup; from > 0 && from < first {
			_ = w.(api.GapWriter).WriteGap(api.Gap{Start: from, End: first})
		}
		if !p.write(w.Context(), c, name, w, first) {
			_ = w.CloseWithError(api.StreamGoingAway)
		}
	})
}

// write writes groups as they become due. It reports false if nobody is left to
// write for, and true at the end of the track: then all groups are written.
func (p *publisher) write(ctx context.Context, c *count, name api.TrackName, sink api.TrackSink, first api.GroupSequence) bool {
	var groups sync.WaitGroup
	defer groups.Wait()
	for seq := first; ; seq++ {
		select {
		case <-time.After(time.Until(c.due(seq))):
		case <-p.ending[name]:
			groups.Wait()
			return p.ctx.Err() == nil
		case <-ctx.Done():
			return false
		case <-p.halted:
			<-p.ctx.Done()
			return false
		case <-p.ctx.Done():
			return false
		}
		g, err := sink.OpenGroupAt(ctx, seq)
		if err != nil {
			return false
		}
		c.begin(seq)
		if c.spec.endless {
			return p.endless(c, name, g, seq)
		}
		groups.Go(func() { p.group(c, g, seq) })
	}
}

// group writes a group, with its frames spread over its duration.
func (p *publisher) group(c *count, g api.GroupWriter, seq api.GroupSequence) {
	var buf []byte
	frames := c.frames(seq)
	pause := time.Duration(float64(c.spec.period) * c.spec.spread / float64(frames))
	for i := range frames {
		if i == frames-1 && c.breaks(seq) {
			g.Cancel(api.StreamInternal)
			return
		}
		buf = c.frame(buf, seq, i)
		if g.WriteFrame(api.Frame{Timestamp: c.stamp(seq, i), Payload: buf}) != nil {
			return
		}
		select {
		case <-time.After(pause):
		case <-p.halted: // nobody ends the group
			<-p.ctx.Done()
			return
		case <-p.ctx.Done():
			return
		}
	}
	_ = g.Close()
}

// endless writes the only group, until the track is to end.
func (p *publisher) endless(c *count, name api.TrackName, g api.GroupWriter, seq api.GroupSequence) bool {
	var buf []byte
	for i := 0; ; i++ {
		buf = c.frame(buf, seq, i)
		if g.WriteFrame(api.Frame{Timestamp: c.stamp(seq, i), Payload: buf}) != nil {
			return false
		}
		select {
		case <-time.After(c.spec.period):
		case <-p.ending[name]:
			_ = g.Close()
			return p.ctx.Err() == nil
		case <-p.halted:
			<-p.ctx.Done()
			return false
		case <-p.ctx.Done():
			return false
		}
	}
}

// end ends a track regularly.
func (p *publisher) end(name api.TrackName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.truth.tracks[name].end()
	select {
	case <-p.ending[name]:
	default:
		close(p.ending[name])
	}
}

// crash ends the process. The others notice when it has been silent for a
// while, or at once.
func (p *publisher) crash(silent time.Duration) {
	p.mu.Lock()
	p.gone = true
	p.mu.Unlock()
	close(p.halted)
	e := p.link.now()
	if e != nil && silent > 0 {
		e.freeze()
	}
	p.stage.spawn(func() {
		time.Sleep(silent)
		if e != nil {
			e.sever()
			e.thaw()
		}
		p.close()
	})
}

// leave withdraws the broadcast and ends the session. If it is to be orderly,
// it ends the tracks before.
func (p *publisher) leave(inOrder bool) {
	p.stage.spawn(func() {
		if inOrder {
			for name := range p.truth.tracks {
				p.end(name)
			}
			time.Sleep(5 * time.Second)
		}
		p.mu.Lock()
		p.hidden = true
		p.mu.Unlock()
		p.hide()
		time.Sleep(200 * time.Millisecond)
		p.close()
	})
}

// close ends everything at once.
func (p *publisher) close() {
	p.mu.Lock()
	p.gone = true
	session := p.session
	p.mu.Unlock()
	if session != nil {
		_ = session.Terminate(api.SessionNoError, "")
	}
	p.die()
	_ = p.client.Close()
}

// stamp returns a frame's time in milliseconds.
func (c *count) stamp(seq api.GroupSequence, i int) uint64 {
	return uint64(time.Duration(seq)*c.spec.period/time.Millisecond) + uint64(i)
}
