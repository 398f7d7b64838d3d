package ingest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/live"
)

// Run publishes source in b until the source ends, or ctx does. It makes the
// tracks at once, so b may be published just before or after; the catalog
// follows when the beginning of the source has been seen, at most half a second
// later, and before the first frame.
//
// A group of pictures opens with a key frame; pictures before the first one are
// dropped. The catalog is published again only when a description changes, or
// the jitter that was measured has grown by much. Timestamps are in
// microseconds on one clock, which begins near 0 and goes on where the source's
// steps.
//
// The error is nil when the source has ended: its tracks have then ended too,
// and b still has what it holds for those who come later. It is that of the
// source, whose last group is then reset; [media.ErrCatalog] for what no
// catalog can describe; or ctx's cause. Run reads source in a goroutine, which
// outlives it for as long as a ReadPacket blocks.
func Run(ctx context.Context, b *live.Broadcast, source media.Reader, c *Config) (err error) {
	config := c.complete()
	p, err := publish(b, source, config)
	if err != nil {
		return err
	}
	defer func() { p.end(err) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := newQueue(ctx, source, config.Loop)
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
	i := &ingestion{publication: p, queue: q, timeline: newTimeline(s.origin(), p.tracks), jitter: newJitterMeter(ids), began: s.packets[0].read}
	return i.run(ctx, s)
}

// An ingestion sends the packets of a queue to a publication.
type ingestion struct {
	*publication
	queue    *queue
	timeline *timeline
	schedule *schedule
	jitter   *jitterMeter
	began    time.Time // when the first packet was read
}

// run publishes the catalog, then what was surveyed, and then the rest.
func (i *ingestion) run(ctx context.Context, s *survey) error {
	for _, a := range s.packets {
		i.timeline.place(a)
	}
	i.schedule = newSchedule(i.config.Pace, i.began, i.timeline.sendingTime(s.packets[0]), i.config.Buffer)
	if err := i.describeInBand(s); err != nil {
		return err
	}
	i.complete(s)
	if err := i.announce(ctx); err != nil {
		return err
	}
	for _, a := range s.packets {
		i.schedule.add(a, i.timeline.sendingTime(a))
	}
	return i.sendAll(ctx)
}

// complete adds to the catalog what the source did not tell and its beginning
// shows.
func (i *ingestion) complete(s *survey) {
	for _, a := range s.packets {
		i.measure(a)
	}
	i.jitter.raise(0)
	i.setJitter()
	for _, t := range i.tracks {
		if t.Video != nil && t.Video.Framerate == 0 {
			t.Video.Framerate = s.tracks[t.ID].framerate()
		}
	}
	if i.clock == nil {
		start := i.began.Add(i.config.Buffer - s.packets[0].DTS)
		i.clock = media.ClockAt(start)
	}
}

// measure counts the time at which a is sent: as planned, with a schedule, since
// what a busy machine adds is not the source's; when it came, without.
func (i *ingestion) measure(a *arrival) {
	at := i.timeline.sendingTime(a)
	if i.config.Pace == Immediate {
		at = a.read.Sub(i.began)
	}
	i.jitter.sent(a.Track, at, a.PTS)
}

// setJitter puts the jitter that was measured into the catalog.
func (i *ingestion) setJitter() {
	for _, t := range i.tracks {
		jitter := i.jitter.tracks[t.ID].declared
		if t.Video != nil {
			t.Video.Jitter = max(t.Video.Jitter, jitter)
		} else {
			t.Audio.Jitter = max(t.Audio.Jitter, jitter)
		}
	}
}

// sendAll sends packets when they are due, until the source has ended.
func (i *ingestion) sendAll(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for packets := i.queue.packets; packets != nil || i.schedule.next() != nil; {
		// What is at hand is put into order before any of it is sent.
		select {
		case a, more := <-packets:
			if !more {
				packets = nil
			} else if err := i.add(ctx, a); err != nil {
				return err
			}
			continue
		default:
		}
		i.arm(timer)
		select {
		case a, more := <-packets:
			if !more {
				packets = nil
			} else if err := i.add(ctx, a); err != nil {
				return err
			}
		case now := <-timer.C:
			if err := i.sendDue(ctx, now); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return i.queue.ended()
}

// arm sets the timer to when the next packet is due, or the group of a feed is
// to be ended.
func (i *ingestion) arm(timer *time.Timer) {
	next, any := time.Time{}, false
	if a := i.schedule.next(); a != nil {
		next, any = i.schedule.due(a), true
	}
	for _, f := range i.feeds {
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
func (i *ingestion) sendDue(ctx context.Context, now time.Time) error {
	for _, f := range i.feeds {
		if at, full := f.ends(); full && !now.Before(at) {
			if err := f.closeGroup(); err != nil {
				return err
			}
		}
	}
	a := i.schedule.next()
	if a == nil || now.Before(i.schedule.due(a)) {
		return nil
	}
	i.schedule.remove()
	i.schedule.adjust(now, i.queue.waited.Load())
	return i.send(ctx, a, now)
}

// add puts a packet that has come onto the schedule.
func (i *ingestion) add(ctx context.Context, a *arrival) error {
	if err := i.place(ctx, a); err != nil {
		return err
	}
	i.schedule.add(a, i.timeline.sendingTime(a))
	return nil
}

// place puts a packet that has come onto the timeline, and measures it.
func (i *ingestion) place(ctx context.Context, a *arrival) error {
	if i.feeds[a.Track] == nil {
		return unknownTrack(a.Track)
	}
	if i.timeline.place(a) {
		i.config.Logger.Warn("ingest: the source's clock has stepped", "track", i.feeds[a.Track].name, "at", a.PTS)
	}
	at := a.read.Sub(i.began)
	if i.jitter.isWindowOver(at) && i.jitter.raise(jitterStep) {
		i.setJitter()
		if err := i.announce(ctx); err != nil {
			return err
		}
	}
	i.measure(a)
	return nil
}

func unknownTrack(id int) error {
	return fmt.Errorf("ingest: the source gave a packet of track %d, which is none of its Tracks", id)
}

// send sends a packet, at a time.
func (i *ingestion) send(ctx context.Context, a *arrival, now time.Time) error {
	defer i.queue.release(a)
	if f := i.feeds[a.Track]; f.units != nil {
		a.Config = f.description(&a.Packet)
	}
	if a.Config != nil {
		if err := i.configure(ctx, a); err != nil {
			return err
		}
	}
	return i.feeds[a.Track].write(ctx, &a.Packet, now)
}

// configure publishes the description that holds from a on, if it is another
// one. A rendition without a description has its configuration in its frames.
func (i *ingestion) configure(ctx context.Context, a *arrival) error {
	t := i.track(a.Track)
	description := describedBy(t)
	if *description == nil || bytes.Equal(*description, a.Config) {
		return nil
	}
	*description = a.Config
	if err := describe(t); err != nil {
		return fmt.Errorf("ingest: track %s: a description that the source gave: %w", i.feeds[a.Track].name, err)
	}
	if err := i.setEncoder(t); err != nil {
		return err
	}
	return i.announce(ctx)
}

// describedBy returns where the description of a track is.
func describedBy(t media.Track) *[]byte {
	if t.Video != nil {
		return &t.Video.Description
	}
	return &t.Audio.Description
}
