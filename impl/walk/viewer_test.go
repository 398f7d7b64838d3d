package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/redial"
)

// join is a step: a viewer comes.
type join struct {
	name      string
	link      linkSpec
	broadcast int
	track     api.TrackName
	lasting   bool
	config    api.SubscribeConfig // of the first subscription; later ones have StartGroup 0
	pace      time.Duration       // how long it takes over each frame
	inTurn    bool                // reads one group after the other
}

// farAhead is a group that never comes.
const farAhead api.GroupSequence = 1 << 30

func (j *join) lasts() time.Duration { return 0 }

func (j *join) String() string {
	session, how := "plain", "all at once"
	if j.lasting {
		session = "lasting"
	}
	if j.inTurn {
		how = "in turn"
	}
	start := fmt.Sprint(j.config.StartGroup)
	if j.config.StartGroup == api.GroupLatest {
		start = "the latest"
	}
	return fmt.Sprintf("viewer %s joins at %v with a %s session: broadcast %d, track %s from group %s, max latency %v, reading groups %s, %v a frame",
		j.name, j.link, session, j.broadcast, j.track, start, j.config.MaxLatency, how, j.pace)
}

// A viewer reads a track, and subscribes again when that has failed.
type viewer struct {
	*client
	spec  *join
	path  api.BroadcastPath
	hurry atomic.Bool // reads as fast as it can

	mu      sync.Mutex
	config  api.SubscribeConfig
	refused string    // why it could not subscribe
	last    time.Time // when a frame came
	reader  api.TrackReader
	reading *reading // of now
}

func (j *join) run(s *stage) {
	v := &viewer{
		client: newClient(s, j.name, j.link, j.lasting),
		spec:   j, path: s.world.broadcasts[j.broadcast].path, config: j.config,
	}
	s.mu.Lock()
	s.viewers = append(s.viewers, v)
	s.mu.Unlock()
	s.spawn(func() { v.live(v.subscribe) })
}

// subscribe subscribes once, and reads to the end. It reports true if the track
// has ended for good.
func (v *viewer) subscribe(session api.Session) (done bool) {
	v.mu.Lock()
	config := v.config
	v.mu.Unlock()
	r, err := session.Subscribe(v.ctx, v.path, v.spec.track, &config)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		if v.refused != err.Error() {
			v.stage.note("%s: %v", v.name, err)
		}
		v.refused = err.Error()
		return false
	}
	v.config.StartGroup, v.refused = 0, ""
	v.mu.Unlock()
	defer v.mu.Lock()
	return v.read(r, config.StartGroup)
}

// read reads a subscription that begins at a group to its end.
func (v *viewer) read(r api.TrackReader, from api.GroupSequence) (done bool) {
	defer r.Close()
	defer context.AfterFunc(v.ctx, func() { _ = r.Close() })()
	var groups sync.WaitGroup
	now := v.begin(r, from)
	for {
		g, err := r.AcceptGroup(v.ctx)
		now.tell(r.Gaps())
		switch {
		case err == nil:
			seen := now.accept(g)
			if v.spec.inTurn {
				now.follow(g, seen)
			} else {
				of := now // the next numbering may begin before the goroutine runs
				groups.Go(func() { of.follow(g, seen) })
			}
		case errors.Is(err, redial.ErrRestarted):
			v.stage.note("%s: %v", v.name, err)
			now.account()
			now = v.begin(r, 0)
		default:
			if !errors.Is(err, io.EOF) {
				_ = r.Close()
			}
			groups.Wait()
			now.tell(r.Gaps())
			return now.end(err)
		}
	}
}

// begin begins the reading of another numbering.
func (v *viewer) begin(r api.TrackReader, from api.GroupSequence) *reading {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reader, v.reading = r, newReading(v, from)
	return v.reading
}

// came records that a frame came.
func (v *viewer) came() {
	v.mu.Lock()
	v.last = time.Now()
	v.mu.Unlock()
	if v.spec.pace > 0 && !v.hurry.Load() {
		v.sleep(v.spec.pace)
	}
}

// light reports when the last frame came, and whether that is recent enough.
func (v *viewer) light() (bool, string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.last.IsZero() {
		return false, "nothing has ever come"
	}
	dark := time.Since(v.last)
	return dark <= flicker, fmt.Sprintf("nothing has come for %v", dark.Round(time.Millisecond))
}

// lookBack checks what the viewer has got so far.
func (v *viewer) lookBack() {
	v.mu.Lock()
	r, reader := v.reading, v.reader
	v.mu.Unlock()
	if r != nil && v.ctx.Err() == nil && reader.Context().Err() == nil {
		r.tell(reader.Gaps())
		r.account()
	}
}

// part is a step: a viewer leaves.
type part struct{ viewer string }

func (p *part) String() string       { return fmt.Sprintf("viewer %s leaves", p.viewer) }
func (p *part) lasts() time.Duration { return 0 }

func (p *part) run(s *stage) {
	if v := s.viewer(p.viewer); v != nil {
		v.leave()
	}
}

// retune is a step: a viewer changes its config.
type retune struct {
	viewer     string
	maxLatency time.Duration
	priority   api.Priority
}

func (r *retune) String() string {
	return fmt.Sprintf("viewer %s wants max latency %v, priority %d", r.viewer, r.maxLatency, r.priority)
}
func (r *retune) lasts() time.Duration { return 0 }

func (r *retune) run(s *stage) {
	v := s.viewer(r.viewer)
	if v == nil {
		return
	}
	v.mu.Lock()
	v.config.MaxLatency, v.config.Priority = r.maxLatency, r.priority
	config, reader, now := v.config, v.reader, v.reading
	v.mu.Unlock()
	if reader != nil {
		config.StartGroup = 0
		_ = reader.Update(&config)
		now.beginAnywhere()
	}
}

// fetch is a step: a viewer fetches a group from a little before the newest.
type fetch struct {
	viewer string
	before api.GroupSequence
}

func (f *fetch) String() string {
	return fmt.Sprintf("viewer %s fetches the group %d before its newest", f.viewer, f.before)
}
func (f *fetch) lasts() time.Duration { return 0 }

func (f *fetch) run(s *stage) {
	v := s.viewer(f.viewer)
	if v == nil || v.now() == nil {
		return
	}
	s.spawn(func() {
		v.mu.Lock()
		last := v.reading.newest()
		v.mu.Unlock()
		if last < f.before {
			return
		}
		ctx, cancel := context.WithTimeout(v.ctx, 10*time.Second)
		defer cancel()
		g, err := v.now().Fetch(ctx, api.FetchRequest{Path: v.path, Name: v.spec.track, Group: last - f.before})
		if err != nil {
			s.note("%s: %v", v.name, err)
			return
		}
		defer context.AfterFunc(ctx, func() { g.Cancel(api.StreamCancelled) })()
		r := newReading(v, 0)
		r.follow(g, r.accept(g))
	})
}
