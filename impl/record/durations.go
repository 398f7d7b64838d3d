package record

import "time"

// minHole is how much sound has to be missing before that is a hole.
const minHole = 100 * time.Millisecond

// durations sets how long each sample lasts, which the next one tells.
type durations struct {
	kind kind
	emit func(sample) error

	held  sample
	any   bool
	usual time.Duration // how long the last one lasted
	shown time.Duration // when the last picture so far is shown
	ends  time.Duration // where a marker says that the content ends; 0: nowhere
}

// add takes the next sample in decoding order. Its natural duration, if it has
// one, is what the codec or the container says.
func (d *durations) add(s sample) error {
	if s.rewound {
		if err := d.flush(); err != nil {
			return err
		}
	}
	if d.any {
		lasts := max(s.DTS-d.held.DTS, 0)
		d.held.Duration = lasts
		switch {
		case s.lost != nil:
			d.settle()
		case d.kind == audio:
			if d.held.natural == 0 && lasts <= minHole {
				d.held.natural = lasts
			}
			d.settle()
			s.hole = s.PTS-d.held.PTS-d.held.natural > minHole
		default:
			d.held.natural = lasts
		}
		d.usual = d.held.natural
		if err := d.emit(d.held); err != nil {
			return err
		}
	} else {
		d.shown, d.ends = s.PTS, 0
	}
	d.shown = max(d.shown, s.PTS)
	d.held, d.any = s, true
	return nil
}

// settle sets the natural duration of the held sample where it is not known: to
// the end that a marker has told, or to that of the one before.
func (d *durations) settle() {
	if d.held.natural > 0 {
		return
	}
	d.held.natural = d.usual
	if d.ends > d.shown {
		d.held.natural = d.ends - d.shown
	}
}

// mark notes where the content ends.
func (d *durations) mark(ends time.Duration) { d.ends = max(d.ends, ends) }

// flush emits what is held: nothing follows that tells how long it lasts.
func (d *durations) flush() error {
	if !d.any {
		return nil
	}
	d.settle()
	d.held.Duration = d.held.natural
	d.any = false
	return d.emit(d.held)
}
