package receive

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// arrivalWait is how long the goroutine that accepts streams waits for the first bytes of
// one, which as a rule have arrived with it; the wait may take up to twice as long. It is
// also how long the goroutine that weighs a group waits for more of it.
const arrivalWait = 100 * time.Microsecond

// Arrivals is what the goroutine that accepts a session's unidirectional streams keeps
// from one stream to the next. Make one with [Budget.Arrivals].
type Arrivals struct {
	// Now is the session's clock, as it was read last.
	Now time.Duration

	budget *Budget
	shelf  shelf
}

// Arrivals returns the state of a goroutine that accepts streams.
func (b *Budget) Arrivals() *Arrivals { return &Arrivals{budget: b} }

// Accept makes a group of a stream that was just accepted, since it rarely is something
// else, and reads its first bytes, for which it waits up to 200 µs. arrived reports
// whether these, or the end of the stream, have arrived.
func (a *Arrivals) Accept(raw transport.ReceiveStream) (g *Group, arrived bool) {
	g = a.budget.NewGroup(raw)
	return g, g.in.readFirst(a)
}

// readSoon reads once from st, and waits for the first bytes for arrivalWait to twice that.
// To save reading the clock for each stream, the deadline is first set by the time read
// last; only when that has passed is the clock read and the read repeated.
func (a *Arrivals) readSoon(st transport.ReceiveStream, p []byte) (n int, err error) {
	_ = st.SetReadDeadline(a.budget.began.Add(a.Now + arrivalWait))
	n, err = st.Read(p)
	if !timedOut(err) || n == len(p) {
		return n, err
	}
	a.Now = a.budget.now()
	_ = st.SetReadDeadline(a.budget.began.Add(a.Now + arrivalWait))
	more, err := st.Read(p[n:])
	return n + more, err
}

// timedOut reports whether err says that a deadline has passed.
func timedOut(err error) bool {
	return err != nil && err != io.EOF && errors.Is(err, os.ErrDeadlineExceeded)
}
