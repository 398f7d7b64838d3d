package qmux

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// alive fails the test if the connection has ended, or its counters are
// inconsistent.
func (p *rawPeer) alive() {
	p.t.Helper()
	synctest.Wait()
	if err := context.Cause(p.conn.Context()); err != nil {
		p.t.Fatal(err)
	}
	if err := p.conn.check(); err != nil {
		p.t.Fatal(err)
	}
}

// held returns how much the Conn keeps of what a peer can make it keep.
func (c *Conn) held() (streams, halves, control, rings int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.streams {
		rings += s.Held()
	}
	return len(c.streams), c.shared.Halves(), c.out.control.Len(), rings
}

// queued returns how many answers to pings and how many datagrams are queued.
func (c *Conn) queued() (answers, datagrams int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pings.answers), len(c.out.datagrams)
}

// drain accepts streams, reads each to its end, and refuses to answer.
func drain(c *Conn) {
	go func() {
		for {
			s, err := c.AcceptStream(context.Background())
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, s)
			s.CancelWrite(1)
		}
	}()
	go func() {
		for {
			r, err := c.AcceptUniStream(context.Background())
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r)
		}
	}()
}

// A stream id is used once. Later frames for it are late, and open no new
// stream.
func TestStreamIDReused(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := newPeer(t, options(v, false, tight))
		p.hello()
		drain(p.conn)
		p.put(fin(0, 0, 10), fin(2, 0, 10))
		synctest.Wait()
		if n, _, _, _ := p.conn.held(); n != 0 {
			t.Fatalf("%d streams are left", n)
		}
		p.put(fin(0, 0, 10), fin(2, 0, 10), data(0, 10, 1000), data(2, 77, 5000), reset(0, 4), reset(2, 99999),
			onStream(frameStopSending, 0), onStream(frameMaxStreamData, 0), onStream(frameStreamDataBlocked, 2))
		p.alive()
		if n, halves, _, _ := p.conn.held(); n+halves != 0 || p.conn.received != 20 {
			t.Errorf("%d streams and %d halves came back, %d bytes count", n, halves, p.conn.received)
		}
		// The same for ids of this side.
		s, err := p.conn.OpenStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.CancelWrite(0)
		s.CancelRead(0)
		p.put(fin(1, 0, 0), fin(1, 0, 5), onStream(frameStopSending, 1))
		p.alive()
		if n, _, _, _ := p.conn.held(); n != 0 {
			t.Errorf("%d streams came back", n)
		}
	})
}

// Streams that were skipped may still come, but only once each.
func TestStreamsSkipped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPeer(t, options(Version01, false, &Config{MaxUniStreams: 100}))
		p.hello()
		drain(p.conn)
		p.put(fin(99<<2|idUni, 0, 1))
		for seq := range uint64(99) {
			p.put(fin(seq<<2|idUni, 0, 1))
			synctest.Wait()
			p.put(fin(seq<<2|idUni, 0, 1))
		}
		p.alive()
		if n, _, _, _ := p.conn.held(); n != 0 || len(p.conn.inUni.unseen) != 0 || p.conn.received != 100 {
			t.Errorf("%d streams and %d ids are left, %d bytes count", n, len(p.conn.inUni.unseen), p.conn.received)
		}
	})
}

// Streams that are reset at once grant the peer as many others, and leave
// nothing behind.
func TestResetFlood(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := newPeer(t, options(v, false, tight))
		p.hello()
		drain(p.conn)
		const rounds = 2000
		for seq := range uint64(rounds) {
			p.put(data(seq<<2, 0, 10), reset(seq<<2, 10), reset(seq<<2|idUni, 1))
			synctest.Wait()
		}
		p.alive()
		if n, halves, control, _ := p.conn.held(); n+halves+control != 0 {
			t.Errorf("%d streams, %d halves, %d frames are left", n, halves, control)
		}
		if got := len(p.frames(frameResetStream)); got != rounds {
			t.Errorf("%d of %d streams were refused", got, rounds)
		}
	})
}

// Streams that were not accepted still count when they are reset.
func TestResetFloodUnaccepted(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := newPeer(t, options(v, false, tight))
		p.hello()
		p.put(reset(0, 0), onStream(frameStopSending, 0), reset(4, 0), onStream(frameStopSending, 4), reset(2, 0), reset(6, 0))
		p.alive()
		p.put(reset(8, 0))
		p.wantViolation(errStreamLimit)
	})
}

// A stream that has ended makes room for another only when the peer is told:
// otherwise a peer that reads nothing could make any number of replies wait.
func TestStreamsUntold(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := deaf(t, options(v, false, tight))
		p.params(generous)
		drain(p.conn)
		for seq := range uint64(10_000) {
			p.put(fin(seq<<2, 0, 0), onStream(frameStopSending, seq<<2))
			synctest.Wait()
			if _, _, control, _ := p.conn.held(); control > 2*tight.MaxStreams {
				t.Fatalf("after %d streams %d frames wait", seq+1, control)
			}
			if p.conn.Context().Err() != nil {
				break
			}
		}
		if err := context.Cause(p.conn.Context()); !errors.Is(err, errStreamLimit) {
			t.Errorf("ended with %v, want %v", err, errStreamLimit)
		}
	})
}

// Opening streams blocks when the peer reads nothing, however many streams it
// allows.
func TestOpenFlood(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := deaf(t, options(v, false, nil))
		p.params(generous)
		if err := p.conn.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var err error
		opened := 0
		for ; err == nil && opened < 20*maxControl; opened++ {
			var s transport.SendStream
			if opened%2 == 0 {
				s, err = p.conn.OpenUniStream(ctx)
			} else {
				s, err = p.conn.OpenStream(ctx)
			}
			if err == nil {
				s.CancelWrite(1)
			}
			if r, ok := s.(transport.Stream); ok {
				r.CancelRead(1)
			}
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %d streams: %v", opened, err)
		}
		if _, _, control, _ := p.conn.held(); control > maxControl+2 {
			t.Errorf("%d frames wait", control)
		}
		// Once the peer reads, it continues.
		p.gone = make(chan struct{})
		go p.listen()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.conn.OpenUniStream(ctx); err != nil {
			t.Error(err)
		}
		if _, err := p.conn.OpenStream(ctx); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if _, _, control, _ := p.conn.held(); control != 0 {
			t.Errorf("%d frames wait", control)
		}
	})
}

// Callers that wait for a peer to read continue when it does.
func TestOpenFloodWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := deaf(t, options(Version01, false, nil))
		p.params(generous)
		for range 10 * maxControl {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			s, err := p.conn.OpenUniStream(ctx)
			cancel()
			if err != nil {
				break
			}
			s.CancelWrite(1)
		}
		const waiting = 10
		opened := make(chan struct{}, waiting)
		for range waiting {
			go func() {
				if _, err := p.conn.OpenUniStream(t.Context()); err == nil {
					opened <- struct{}{}
				}
			}()
		}
		synctest.Wait()
		if len(opened) > 0 {
			t.Fatal("opened at once")
		}
		p.gone = make(chan struct{})
		go p.listen()
		synctest.Wait()
		if len(opened) != waiting {
			t.Errorf("%d of %d go on", len(opened), waiting)
		}
	})
}

// A peer that reads nothing gets no more than the buffer of a stream, and no
// answer to most of its pings. The idle timeout notices that it is silent too.
func TestNeverReads(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := deaf(t, options(v, false, &Config{IdleTimeout: 10 * time.Second}))
		p.params(generous)
		s, err := p.conn.OpenStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := s.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n > 6*MaxMessage+sendBuffer {
			t.Errorf("Write: %d, %v", n, err)
		}
		if !v.records() {
			return
		}
		for i := range uint64(50_000) {
			p.put(number(framePingRequest, i))
		}
		p.alive()
		if n, _ := p.conn.queued(); n > maxAnswers {
			t.Errorf("%d answers wait", n)
		}
		d, ok := p.conn.Transport().(transport.DatagramConn)
		if !ok {
			t.Fatal("no datagrams")
		}
		for range 10 * maxDatagrams {
			if err := d.SendDatagram([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if _, n := p.conn.queued(); n > maxDatagrams {
			t.Errorf("%d datagrams wait", n)
		}
		began := time.Now()
		<-p.conn.done
		if took := time.Since(began); took < 9*time.Second || took > 15*time.Second {
			t.Errorf("it took %v", took)
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, errIdle) || !os.IsTimeout(errIdle) {
			t.Errorf("Write: %v", err)
		}
	})
}

// If the peer grants nothing, calls block for as long as the caller wants.
func TestNeverGrants(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := newPeer(t, options(v, false, nil))
		p.params(Params{}) // not even datagrams
		if err := p.conn.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ok := p.conn.Transport().(transport.DatagramConn); ok {
			t.Error("datagrams that the peer does not take")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.conn.OpenStream(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("OpenStream: %v", err)
		}
		if _, err := p.conn.OpenUniStream(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("OpenUniStream: %v", err)
		}
		// With streams, but without credit for them.
		p.put(number(frameMaxStreamsUni, 2), data(0, 0, 1))
		s, err := p.conn.OpenUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.conn.AcceptStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []transport.SendStream{s, b} {
			_ = w.SetWriteDeadline(time.Now().Add(time.Second))
			if n, err := w.Write(make([]byte, 2*sendBuffer)); n != sendBuffer || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Write: %d, %v", n, err)
			}
		}
		p.alive()
		if n := len(p.frames(frameStream)); n > 0 {
			t.Errorf("%d frames without credit", n)
		}
		// With credit for the stream alone, or for the connection alone,
		// nothing is sent.
		p.put(frame{kind: frameMaxStreamData, id: 0, value: 1000})
		p.alive()
		if n := len(p.frames(frameStream)); n > 0 {
			t.Errorf("%d frames without the connection's credit", n)
		}
		p.put(number(frameMaxData, 300))
		p.alive()
		if fs := p.frames(frameStream); len(fs) != 1 || len(fs[0].data) != 300 {
			t.Errorf("%d frames with credit for 300 bytes", len(fs))
		}
		p.put(number(frameMaxData, 5)) // no less than before
		s.CancelWrite(9)
		synctest.Wait()
		began := time.Now()
		_ = p.conn.CloseWithError(0, "")
		if took := time.Since(began); took > linger {
			t.Errorf("the close took %v", took)
		}
		if fs := p.frames(frameResetStream); len(fs) != 1 || fs[0].value != 0 || fs[0].code != 9 {
			t.Errorf("resets are %+v", fs)
		}
	})
}

// Each refusal is answered once.
func TestStopFlood(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := newPeer(t, options(v, false, nil))
		p.hello()
		s, err := p.conn.OpenUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for code := range uint64(20_000) {
			p.put(frame{kind: frameStopSending, id: 3, code: code})
		}
		p.alive()
		if fs := p.frames(frameResetStream); len(fs) != 1 || fs[0].code != 0 || fs[0].value != 1 {
			t.Errorf("resets are %+v", fs)
		}
		want := transport.StreamError{Remote: true}
		if _, err := s.Write([]byte("x")); errors.Unwrap(err) != nil || *err.(*transport.StreamError) != want {
			t.Errorf("Write: %v", err)
		}
		if n, _, _, _ := p.conn.held(); n != 0 {
			t.Errorf("%d streams are left", n)
		}
		// One that has ended, with data that waits for credit.
		p.put(number(frameMaxData, 1<<40))
		s, err = p.conn.OpenUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.conn.mu.Lock()
		s.(*sendStream).max = 1
		p.conn.mu.Unlock()
		if _, err := s.Write([]byte("xyz")); err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		synctest.Wait()
		for range 100 {
			p.put(frame{kind: frameStopSending, id: 7, code: 5})
		}
		p.alive()
		if fs := p.frames(frameResetStream); len(fs) != 2 || fs[1].id != 7 || fs[1].value != 1 {
			t.Errorf("resets are %+v", fs)
		}
		if n, halves, _, _ := p.conn.held(); n+halves != 0 {
			t.Errorf("%d streams and %d halves are left", n, halves)
		}
	})
}

// Pings are answered in order, as fast as the peer reads, and only those that
// it sent.
func TestPingFlood(t *testing.T) {
	for v := Version01; v <= Version02; v++ {
		bubble(t, func(t *testing.T) {
			p := newPeer(t, options(v, false, nil))
			p.hello()
			const pings = 50_000
			var b []byte
			for i := range uint64(pings) {
				if b = append(b, p.bytes(number(framePingRequest, 3*i))...); len(b) > 15_000 || i == pings-1 {
					p.send(b)
					b = nil
				}
			}
			p.alive()
			answers := p.frames(framePingResponse)
			if len(answers) < maxAnswers || len(answers) > pings {
				t.Errorf("%d answers", len(answers))
			}
			for i, f := range answers {
				if f.value%3 != 0 || i > 0 && f.value <= answers[i-1].value {
					t.Fatalf("answers %d then %d", answers[max(0, i-1)].value, f.value)
				}
			}
			// One after the other, none is left out.
			for i := range uint64(1000) {
				p.put(number(framePingRequest, 3*pings+i))
				synctest.Wait()
			}
			if got := len(p.frames(framePingResponse)) - len(answers); got != 1000 {
				t.Errorf("%d of 1000 are answered", got)
			}
		})
	}
}

// Data in frames of one byte uses no more memory than its bytes.
func TestTinyFrames(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := newPeer(t, options(v, false, nil))
		p.hello()
		const n = 50_000
		for i := range n {
			f := frame{kind: frameStream, id: 2, offset: uint64(i), data: []byte{byte(i >> 3)}}
			p.put(f, data(2, uint64(i)+1, 0)) // and one of nothing
		}
		p.alive()
		if _, _, _, rings := p.conn.held(); rings > 2*n {
			t.Errorf("%d bytes are kept in %d", n, rings)
		}
		p.put(fin(2, n, 0))
		r, err := p.conn.AcceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || len(got) != n {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		for i, b := range got {
			if b != byte(i>>3) {
				t.Fatalf("byte %d is %#x", i, b)
			}
		}
	})
}

// Empty messages and padding have no effect.
func TestNothingFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPeer(t, options(Version02, false, nil))
		p.hello()
		padding := make([]byte, MinRecordSize)
		for range 500 {
			p.send(nil, padding)
		}
		p.put(number(frameMaxData, 1), number(frameDataBlocked, 1), number(frameStreamsBlockedUni, 1))
		p.alive()
		if n, halves, control, _ := p.conn.held(); n+halves+control != 0 {
			t.Errorf("%d streams, %d halves, %d frames are left", n, halves, control)
		}
	})
}

// The window of the connection bounds the buffers of all streams, even if each
// has been full once.
func TestBuffersShrink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const streams, window = 200, 1 << 20
		p := newPeer(t, options(Version01, false, &Config{StreamWindow: window, ConnWindow: 2 * window, MaxUniStreams: streams}))
		p.hello()
		part := make([]byte, 8<<10)
		for seq := range uint64(streams) {
			for sent := 0; sent < window; sent += len(part) {
				p.put(frame{kind: frameStream, id: seq<<2 | idUni, offset: uint64(sent), data: part})
			}
			r, err := p.conn.AcceptUniStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r, make([]byte, window-1)); err != nil { // all but one
				t.Fatal(err)
			}
			p.alive()
		}
		if n, _, _, rings := p.conn.held(); n != streams || rings > 4*2*window+streams*waiting.KeepRing {
			t.Errorf("%d streams hold %d bytes in %d", n, n, rings)
		}
	})
}

// Few datagrams are kept if nobody receives them.
func TestDatagramFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPeer(t, options(Version01, false, nil))
		p.hello()
		for i := range 5000 {
			p.put(frame{kind: frameDatagramLen, data: bytes.Repeat([]byte{byte(i)}, 1000)})
		}
		p.alive()
		if n := p.conn.shared.Datagrams(); n != maxDatagrams {
			t.Errorf("%d are kept", n)
		}
	})
}

// A long flood leaves as much memory in use as a short one.
func TestFloodMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	bubble(t, func(t *testing.T) {
		p := newPeer(t, options(Version01, false, tight))
		p.hello()
		drain(p.conn)
		next := uint64(0)
		flood := func(rounds int) uint64 {
			for range rounds {
				p.put(data(next<<2, 0, 100), onStream(frameStopSending, next<<2), reset(next<<2, 100), fin(next<<2|idUni, 0, 100))
				p.put(number(framePingRequest, next), frame{kind: frameDatagramLen, data: make([]byte, 100)})
				next++
				synctest.Wait()
				p.mu.Lock()
				p.got = nil
				p.mu.Unlock()
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := flood(1000)
		after := flood(10_000)
		p.alive()
		if after > before+1<<20 {
			t.Errorf("%d bytes more", after-before)
		}
	})
}
