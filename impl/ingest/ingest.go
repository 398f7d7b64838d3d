package ingest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/live"
)

// Run is [Open] and [Ingestion.Run], for a broadcast that nobody knows yet: one
// that asks for a track before Run has made it is told that there is none.
func Run(ctx context.Context, b *live.Broadcast, source media.Reader, c *Config) error {
	i, err := Open(b, source, c)
	if err != nil {
		return err
	}
	return i.Run(ctx)
}

// An Ingestion publishes a source in a broadcast. Open makes one.
type Ingestion struct {
	publication *publication
	source      media.Reader
}

// Open makes the tracks of a source and of its catalog in b. What is in them
// comes with [Ingestion.Run], so b can be published between the two, and nobody
// asks for a track in vain. c may be nil.
//
// A source without a track, or with names that are not different, is an error.
func Open(b *live.Broadcast, source media.Reader, c *Config) (*Ingestion, error) {
	p, err := publish(b, source, c.complete())
	if err != nil {
		return nil, err
	}
	return &Ingestion{publication: p, source: source}, nil
}

// Run publishes the source until it ends, or ctx does. It is called once. The
// catalog comes when the beginning of the source has been seen, at most half a
// second after its first packet, and before the first frame.
//
// A group of pictures opens with a key frame; pictures before the first one are
// dropped. The catalog is published again only when a description changes, or
// the jitter that was measured has grown by much. Timestamps are in
// microseconds on one clock, which begins near 0 and goes on where the source's
// steps.
//
// The error is nil when the source has ended: its tracks have then ended too,
// and the broadcast still has what it holds for those who come later. It is that
// of the source, whose last group is then reset; [media.ErrCatalog] for what no
// catalog can describe; or ctx's cause. Run reads the source in a goroutine,
// which outlives it for as long as a ReadPacket blocks.
func (i *Ingestion) Run(ctx context.Context) (err error) {
	p := i.publication
	defer func() { p.end(err) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := newQueue(ctx, i.source, p.config.Loop)
	ids := make([]int, len(p.tracks))
	for i, t := range p.tracks {
		ids[i] = t.ID
	}
	s, err := takeSurvey(ctx, q, ids)
	if err != nil {
		return err
	}
	if len(s.packets) == 0 {
		return q.ended()
	}
	out := &sender{publication: p, queue: q, timeline: newTimeline(s.origin(), p.tracks), jitter: newJitterMeter(ids), began: s.packets[0].read}
	return out.run(ctx, s)
}

// A sender sends the packets of a queue to a publication.
type sender struct {
	*publication
	queue    *queue
	timeline *timeline
	schedule *schedule
	jitter   *jitterMeter
	began    time.Time // when the first packet was read
}

// run publishes the catalog, then what was surveyed, and then the rest.
func (out *sender) run(ctx context.Context, s *survey) error {
	for _, a := range s.packets {
		out.timeline.place(a)
	}
	out.schedule = newSchedule(out.config.Pace, out.began, out.timeline.sendingTime(s.packets[0]), out.config.Buffer)
	if err := out.describeInBand(s); err != nil {
		return err
	}
	out.complete(s)
	if err := out.announce(ctx); err != nil {
		return err
	}
	for _, a := range s.packets {
		out.schedule.add(a, out.timeline.sendingTime(a))
	}
	return out.sendAll(ctx)
}

// complete adds to the catalog what the source did not tell and its beginning
// shows.
func (out *sender) complete(s *survey) {
	for _, a := range s.packets {
		out.measure(a)
	}
	out.jitter.raise(0)
	out.setJitter()
	for _, t := range out.tracks {
		if t.Video != nil && t.Video.Framerate == 0 {
			t.Video.Framerate = s.tracks[t.ID].framerate()
		}
	}
	if out.clock == nil {
		start := out.began.Add(out.config.Buffer - s.packets[0].DTS)
		out.clock = media.ClockAt(start)
	}
}

// measure counts the time at which a is sent: as planned, with a schedule, since
// what a busy machine adds is not the source's; when it came, without.
func (out *sender) measure(a *arrival) {
	at := out.timeline.sendingTime(a)
	if out.config.Pace == Immediate {
		at = a.read.Sub(out.began)
	}
	out.jitter.sent(a.Track, at, a.PTS)
}

// setJitter puts the jitter that was measured into the catalog.
func (out *sender) setJitter() {
	for _, t := range out.tracks {
		jitter := out.jitter.tracks[t.ID].declared
		if t.Video != nil {
			t.Video.Jitter = max(t.Video.Jitter, jitter)
		} else {
			t.Audio.Jitter = max(t.Audio.Jitter, jitter)
		}
	}
}

// sendAll sends packets when they are due, until the source has ended.
func (out *sender) sendAll(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for packets := out.queue.packets; packets != nil || out.schedule.next() != nil; {
		// What is at hand is put into order before any of it is sent.
		select {
		case a, more := <-packets:
			if !more {
				packets = nil
			} else if err := out.add(ctx, a); err != nil {
				return err
			}
			continue
		default:
		}
		out.arm(timer)
		select {
		case a, more := <-packets:
			if !more {
				packets = nil
			} else if err := out.add(ctx, a); err != nil {
				return err
			}
		case now := <-timer.C:
			if err := out.sendDue(ctx, now); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return out.queue.ended()
}

// arm sets the timer to when the next packet is due, or the group of a feed is
// to be ended.
func (out *sender) arm(timer *time.Timer) {
	next, any := time.Time{}, false
	if a := out.schedule.next(); a != nil {
		next, any = out.schedule.due(a), true
	}
	for _, f := range out.feeds {
		if at, full := f.ends(); full && (!any || at.Before(next)) {
			next, any = at, true
		}
	}
	if any {
		timer.Reset(time.Until(next))
	} else {
		timer.Stop()
	}
}

// sendDue ends the groups that are to be ended, and sends a packet if one is
// due.
func (out *sender) sendDue(ctx context.Context, now time.Time) error {
	for _, f := range out.feeds {
		if at, full := f.ends(); full && !now.Before(at) {
			if err := f.closeGroup(); err != nil {
				return err
			}
		}
	}
	a := out.schedule.next()
	if a == nil || now.Before(out.schedule.due(a)) {
		return nil
	}
	out.schedule.remove()
	out.schedule.adjust(now, out.queue.waited.Load())
	return out.send(ctx, a, now)
}

// add puts a packet that has come onto the schedule.
func (out *sender) add(ctx context.Context, a *arrival) error {
	if err := out.place(ctx, a); err != nil {
		return err
	}
	out.schedule.add(a, out.timeline.sendingTime(a))
	return nil
}

// place puts a packet that has come onto the timeline, and measures it.
func (out *sender) place(ctx context.Context, a *arrival) error {
	if out.feeds[a.Track] == nil {
		return unknownTrack(a.Track)
	}
	if out.timeline.place(a) {
		out.config.Logger.Warn("ingest: the source's clock has stepped", "track", out.feeds[a.Track].name, "at", a.PTS)
	}
	at := a.read.Sub(out.began)
	if out.jitter.isWindowOver(at) && out.jitter.raise(jitterStep) {
		out.setJitter()
		if err := out.announce(ctx); err != nil {
			return err
		}
	}
	out.measure(a)
	return nil
}

func unknownTrack(id int) error {
	return fmt.Errorf("ingest: the source gave a packet of track %d, which is none of its Tracks", id)
}

// send sends a packet, at a time.
func (out *sender) send(ctx context.Context, a *arrival, now time.Time) error {
	defer out.queue.release(a)
	if f := out.feeds[a.Track]; f.units != nil {
		a.Config = f.description(&a.Packet)
	}
	if a.Config != nil {
		if err := out.configure(ctx, a); err != nil {
			return err
		}
	}
	return out.feeds[a.Track].write(ctx, &a.Packet, now)
}

// configure publishes the description that holds from a on, if it is another
// one. A rendition without a description has its configuration in its frames.
func (out *sender) configure(ctx context.Context, a *arrival) error {
	t := out.track(a.Track)
	description := describedBy(t)
	if *description == nil || bytes.Equal(*description, a.Config) {
		return nil
	}
	*description = a.Config
	if err := describe(t); err != nil {
		return fmt.Errorf("ingest: track %s: a description that the source gave: %w", out.feeds[a.Track].name, err)
	}
	if err := out.setEncoder(t); err != nil {
		return err
	}
	return out.announce(ctx)
}

// describedBy returns where the description of a track is.
func describedBy(t media.Track) *[]byte {
	if t.Video != nil {
		return &t.Video.Description
	}
	return &t.Audio.Description
}
