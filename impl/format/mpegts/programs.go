package mpegts

import "bytes"

// table reads what describes the programs.
func (t *Reader) table(h header) {
	if h.pid == 0 {
		t.pat.feed(h, func(b []byte) {
			for _, pid := range parsePAT(b) {
				if t.pmts[pid] == nil && len(t.pmts) < maxPrograms {
					t.pmts[pid] = &section{}
				}
			}
		})
		return
	}
	if pmt := t.pmts[h.pid]; pmt != nil {
		pmt.feed(h, func(b []byte) { t.announce(h.pid, b) })
	}
}

// announce takes the streams of the first program that has some that are known,
// and follows them to other PIDs later on.
func (t *Reader) announce(pid int, pmt []byte) {
	switch {
	case t.program == 0:
		t.choose(pid, parsePMT(pmt))
	case t.program != pid || t.media == nil || bytes.Equal(pmt, t.pmt):
		return
	default:
		t.move(parsePMT(pmt))
	}
	t.pmt = append(t.pmt[:0], pmt...)
}

func (t *Reader) choose(pid int, entries []entry) {
	t.ignored = nil
	for _, e := range entries {
		if e.kind == unknown {
			t.leave(e, "not supported")
			continue
		}
		if t.streams[e.pid] == nil && e.pid != nullPID {
			t.streams[e.pid] = newStream(e, &t.clock)
			t.order = append(t.order, t.streams[e.pid])
		}
	}
	if len(t.order) > 0 {
		t.program = pid
	}
}

// move gives each track whose PID is not announced any more the first one of
// its kind that is nobody's.
func (t *Reader) move(entries []entry) {
	for _, s := range t.order {
		var to int
		for _, e := range entries {
			if e.pid == s.pid {
				to = 0
				break
			}
			if to == 0 && e.kind == s.kind && t.streams[e.pid] == nil {
				to = e.pid
			}
		}
		if to == 0 {
			continue
		}
		s.lose()
		s.counter = -1
		delete(t.streams, s.pid)
		s.pid = to
		t.streams[to] = s
	}
}
