package session

import (
	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/numbers"
)

// drop tells of numbers that will not come, and why.
func drop(s numbers.Span, code api.StreamErrorCode) *message.SubscribeDrop {
	return &message.SubscribeDrop{Start: uint64(s.Start), End: uint64(s.End - 1), Error: uint64(code)}
}

// say has a response written, in order, without waiting for the peer.
func (p *publication) say(m appender) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sayLocked(m)
}

// sayLocked is say where the lock is held.
func (p *publication) sayLocked(m appender) {
	p.outbox = m.Append(p.session.version, p.outbox)
	p.flushLocked()
}

// finishStream ends our half of the stream, after what is to be said.
func (p *publication) finishStream() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finishLocked()
}

func (p *publication) finishLocked() {
	p.fin = true
	p.flushLocked()
}

func (p *publication) flushLocked() {
	if !p.flushing {
		p.flushing = p.session.spawn(p.flush)
	}
}

// flush writes the outbox until it is empty.
func (p *publication) flush() {
	var buf []byte
	for {
		p.mu.Lock()
		if len(p.outbox) == 0 {
			if p.fin {
				_ = p.stream.Close()
			}
			p.flushing = false
			p.mu.Unlock()
			return
		}
		buf, p.outbox = p.outbox, buf[:0]
		p.mu.Unlock()
		if _, err := p.stream.Write(buf); err != nil {
			return // follow sees the end of the stream, or of the session
		}
	}
}
