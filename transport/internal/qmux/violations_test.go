package qmux

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// A strict carrier refuses messages that are too large, as carriers over
// sockets do.
type strict struct{ *link }

func (s strict) ReadMessage() ([]byte, error) {
	m, err := s.link.ReadMessage()
	if len(m) > MaxMessage {
		return nil, ErrTooLarge
	}
	return m, err
}

// A rawPeer is the other end of a Conn. It sends what a test wants, and
// records what arrives.
type rawPeer struct {
	t    *testing.T
	link *link
	conn *Conn
	flip uint64 // in ids: the Conn is a client's
	gone chan struct{}

	mu  sync.Mutex
	got []frame
}

// tight are limits that a test reaches with one or two messages.
var tight = &Config{StreamWindow: 1000, ConnWindow: 1500, MaxStreams: 2, MaxUniStreams: 2}

// generous are the parameters of a peer with high limits.
var generous = Params{
	MaxData: 1 << 40, StreamDataLocal: 1 << 30, StreamDataRemote: 1 << 30, StreamDataUni: 1 << 30,
	StreamsBidi: 1 << 30, StreamsUni: 1 << 30, MaxDatagram: MinRecordSize,
}

// newPeer makes the peer of a Conn. Stream ids are written as if the Conn were
// the server.
func newPeer(t *testing.T, o Options) *rawPeer {
	t.Helper()
	a, b := newLinks()
	p := &rawPeer{t: t, link: a, conn: New(strict{b}, o), gone: make(chan struct{})}
	if o.Client {
		p.flip = idServer
	}
	go p.listen()
	t.Cleanup(p.leave)
	return p
}

// deaf makes the peer of a Conn that reads nothing.
func deaf(t *testing.T, o Options) *rawPeer {
	t.Helper()
	a, b := newLinks()
	p := &rawPeer{t: t, link: a, conn: New(strict{b}, o), gone: make(chan struct{})}
	close(p.gone)
	t.Cleanup(p.leave)
	return p
}

func (p *rawPeer) leave() {
	_ = p.link.Close()
	<-p.gone
	<-p.conn.done
}

// listen reads until the end, and then closes the carrier.
func (p *rawPeer) listen() {
	defer close(p.gone)
	defer p.link.Close()
	for {
		m, err := p.link.ReadMessage()
		if err != nil {
			return
		}
		for in := (parser{b: m}); len(in.b) > 0; {
			f, err := in.next(p.conn.version)
			if err != nil {
				p.t.Errorf("the Conn sent %x: %v", m, err)
				return
			}
			f.data = slices.Clone(f.data)
			p.mu.Lock()
			p.got = append(p.got, f)
			p.mu.Unlock()
			if f.kind == frameConnectionClose || f.kind == frameApplicationClose {
				return
			}
		}
	}
}

// frames are those of a kind that have come.
func (p *rawPeer) frames(kind frameType) (fs []frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.got {
		if f.kind == kind {
			fs = append(fs, f)
		}
	}
	return fs
}

// params sends the peer's parameters.
func (p *rawPeer) params(of Params) {
	p.t.Helper()
	p.send(p.bytes(frame{kind: frameParams, data: of.append(nil, p.conn.version)}))
}

// hello sends generous parameters, and waits until the Conn is ready.
func (p *rawPeer) hello() {
	p.t.Helper()
	p.params(generous)
	if err := p.conn.Ready(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// bytes are frames in one message.
func (p *rawPeer) bytes(fs ...frame) (b []byte) {
	for _, f := range fs {
		switch f.kind {
		case frameStream, frameResetStream, frameResetStreamAt, frameStopSending, frameMaxStreamData, frameStreamDataBlocked:
			f.id ^= p.flip
		}
		b = f.append(b)
	}
	return b
}

// send sends messages. The last may arrive after the end.
func (p *rawPeer) send(messages ...[]byte) {
	for _, m := range messages {
		_ = p.link.WriteMessage(m)
	}
}

// put sends frames, each in a message of its own.
func (p *rawPeer) put(fs ...frame) {
	for _, f := range fs {
		p.send(p.bytes(f))
	}
}

// bubble runs f in virtual time, and fails if goroutines are left.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	transporttest.NoLeaks(t)
	synctest.Test(t, f)
}

// everyDraft runs f with each draft.
func everyDraft(t *testing.T, f func(t *testing.T, v Version)) {
	t.Helper()
	for v := Version00; v <= Version02; v++ {
		t.Run(v.String(), func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, v) }) })
	}
}

// wantViolation waits until the Conn has ended because of want and has told
// the peer, after its parameters.
func (p *rawPeer) wantViolation(want error) {
	p.t.Helper()
	<-p.conn.done
	<-p.gone
	cause := context.Cause(p.conn.Context())
	e, ok := errors.AsType[*transport.ConnError](cause)
	if !ok || e.Remote || e.Code != 0 || !errors.Is(cause, want) {
		p.t.Errorf("the connection ended with %v, want %v", cause, want)
	}
	if text := cause.Error(); !strings.Contains(text, "the peer breaks the protocol") || !strings.Contains(text, want.Error()) {
		p.t.Errorf("%q does not tell of %q", text, want)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got) < 2 || p.got[0].kind != frameParams {
		p.t.Fatalf("the peer got %+v, want parameters first and a close at last", p.got)
	}
	last := p.got[len(p.got)-1]
	if last.kind != frameConnectionClose || last.code != codeViolation || !bytes.Contains(last.data, []byte(want.Error())) {
		p.t.Errorf("the peer got %+v at last, want CONNECTION_CLOSE with %q", last, want)
	}
	if _, err := p.conn.OpenStream(p.t.Context()); err != cause {
		p.t.Errorf("OpenStream: %v, want what the connection ended with", err)
	}
	if _, err := p.conn.AcceptStream(p.t.Context()); err != cause {
		p.t.Errorf("AcceptStream: %v, want what the connection ended with", err)
	}
}

func data(id, offset uint64, n int) frame {
	return frame{kind: frameStream, id: id, offset: offset, data: make([]byte, n)}
}

func fin(id, offset uint64, n int) frame {
	return frame{kind: frameStream, id: id, offset: offset, data: make([]byte, n), fin: true}
}

func reset(id, size uint64) frame { return frame{kind: frameResetStream, id: id, code: 7, value: size} }

func number(kind frameType, v uint64) frame { return frame{kind: kind, value: v} }

// onStream is a frame of a stream that is not STREAM.
func onStream(kind frameType, id uint64) frame { return frame{kind: kind, id: id, value: 1} }

// broken is what ends a connection with tight limits, whose parameters have
// come both ways. Ids are written for a server, which has opened nothing.
var broken = map[string]struct {
	since Version
	until Version // zero: all
	send  []frame
	want  error
}{
	"parameters again": {send: []frame{{kind: frameParams}}, want: errParamsTwice},

	"a gap":                   {send: []frame{data(0, 0, 2), data(0, 3, 1)}, want: errOffset},
	"a gap at the beginning":  {send: []frame{data(0, 1, 1)}, want: errOffset},
	"a gap of nothing":        {send: []frame{data(0, 1, 0)}, want: errOffset},
	"an end too far":          {send: []frame{data(0, 0, 2), fin(0, 3, 0)}, want: errOffset},
	"data again":              {send: []frame{data(0, 0, 2), data(0, 0, 2)}, want: errOffset},
	"the largest offset":      {send: []frame{data(0, maxVarint, 1)}, want: errOffset},
	"data after the end":      {send: []frame{fin(2, 0, 2), data(2, 2, 1)}, want: errAfterEnd},
	"no data after the end":   {send: []frame{fin(2, 0, 2), data(2, 2, 0)}, want: errAfterEnd},
	"another end":             {send: []frame{fin(2, 0, 2), fin(2, 2, 1)}, want: errAfterEnd},
	"an end within":           {send: []frame{fin(2, 0, 2), fin(2, 1, 0)}, want: errOffset},
	"data after a reset":      {send: []frame{data(2, 0, 2), reset(2, 2), data(2, 2, 1)}, want: errAfterEnd},
	"an end after a reset":    {send: []frame{reset(0, 0), fin(0, 0, 0)}, want: errAfterEnd},
	"a reset beyond the end":  {send: []frame{fin(0, 0, 2), reset(0, 3)}, want: errFinalSize},
	"resets that grow":        {send: []frame{reset(0, 5), reset(0, 6)}, want: errFinalSize},
	"the largest final size":  {send: []frame{fin(0, 0, 2), reset(0, maxVarint)}, want: errFinalSize},
	"too much on a stream":    {send: []frame{data(0, 0, 1001)}, want: errFlowControl},
	"in the end too much":     {send: []frame{data(2, 0, 1000), fin(2, 1000, 1)}, want: errFlowControl},
	"a reset too large":       {send: []frame{data(0, 0, 999), reset(0, 1001)}, want: errFlowControl},
	"a reset much too large":  {send: []frame{reset(0, maxVarint)}, want: errFlowControl},
	"too much on all streams": {send: []frame{data(0, 0, 1000), data(2, 0, 501)}, want: errFlowControl},
	"a reset is too much":     {send: []frame{data(0, 0, 1000), data(2, 0, 499), reset(2, 501)}, want: errFlowControl},

	"a stream too many":           {send: []frame{data(8, 0, 1)}, want: errStreamLimit},
	"a one-way stream too many":   {send: []frame{data(10, 0, 1)}, want: errStreamLimit},
	"after others":                {send: []frame{fin(0, 0, 1), fin(4, 0, 1), fin(8, 0, 1)}, want: errStreamLimit},
	"a reset stream too many":     {send: []frame{reset(8, 0)}, want: errStreamLimit},
	"a refused stream too many":   {send: []frame{onStream(frameStopSending, 8)}, want: errStreamLimit},
	"a limited stream too many":   {send: []frame{onStream(frameMaxStreamData, 8)}, want: errStreamLimit},
	"a blocked stream too many":   {send: []frame{onStream(frameStreamDataBlocked, 10)}, want: errStreamLimit},
	"the last stream":             {send: []frame{data(maxVarint&^3, 0, 1)}, want: errStreamLimit},
	"the last one-way stream":     {send: []frame{data(maxVarint&^3|idUni, 0, 1)}, want: errStreamLimit},
	"data for nothing":            {send: []frame{data(1, 0, 1)}, want: errNoStream},
	"an end of nothing":           {send: []frame{fin(5, 0, 0)}, want: errNoStream},
	"a reset of nothing":          {send: []frame{reset(1, 0)}, want: errNoStream},
	"a refusal of nothing":        {send: []frame{onStream(frameStopSending, 1)}, want: errNoStream},
	"a one-way refusal of none":   {send: []frame{onStream(frameStopSending, 3)}, want: errNoStream},
	"a limit of nothing":          {send: []frame{onStream(frameMaxStreamData, 3)}, want: errNoStream},
	"a stream blocked on nothing": {send: []frame{onStream(frameStreamDataBlocked, 1)}, want: errNoStream},

	"data the wrong way":     {send: []frame{data(3, 0, 1)}, want: errDirection},
	"a reset the wrong way":  {send: []frame{reset(3, 0)}, want: errDirection},
	"blocked the wrong way":  {send: []frame{onStream(frameStreamDataBlocked, 3)}, want: errDirection},
	"refused the wrong way":  {send: []frame{data(2, 0, 1), onStream(frameStopSending, 2)}, want: errDirection},
	"a limit the wrong way":  {send: []frame{onStream(frameMaxStreamData, 2)}, want: errDirection},
	"too many streams":       {send: []frame{number(frameMaxStreamsBidi, maxStreams+1)}, want: errManyStreams},
	"too many one-way":       {send: []frame{number(frameMaxStreamsUni, maxVarint)}, want: errManyStreams},
	"RESET_STREAM_AT":        {since: Version01, send: []frame{{kind: frameResetStreamAt, id: 2}}, want: errResetAt},
	"one ping twice":         {since: Version02, send: []frame{number(framePingRequest, 4), number(framePingRequest, 4)}, want: errPingOrder},
	"pings backwards":        {since: Version02, send: []frame{number(framePingRequest, 4), number(framePingRequest, 3)}, want: errPingOrder},
	"the first ping again":   {since: Version02, send: []frame{number(framePingRequest, 0), number(framePingRequest, 0)}, want: errPingOrder},
	"an unasked pong":        {since: Version01, send: []frame{number(framePingResponse, 99)}, want: errUnaskedPong},
	"the largest pong":       {since: Version01, send: []frame{number(framePingResponse, maxVarint)}, want: errUnaskedPong},
	"an unknown frame":       {send: []frame{number(0x02, 0)}, want: errUnknownFrame},
	"another unknown frame":  {send: []frame{number(0x1e, 0)}, want: errUnknownFrame},
	"the largest frame type": {send: []frame{number(maxVarint, 0)}, want: errUnknownFrame},
	"padding before records": {until: Version01, send: []frame{{kind: framePadding}}, want: errUnknownFrame},
	"pings before records":   {until: Version01, send: []frame{number(framePingRequest, 1)}, want: errUnknownFrame},
	"datagrams before records": {until: Version01,
		send: []frame{{kind: frameDatagramLen, data: []byte("x")}}, want: errUnknownFrame},
}

// A peer that violates the protocol is told so, and nothing is left of the
// connection.
func TestViolations(t *testing.T) {
	for name, b := range broken {
		for v := b.since; v <= Version02 && (b.until == 0 || v < b.until); v++ {
			for _, side := range []string{"server", "client"} {
				t.Run(name+"/"+v.String()+"/"+side, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						p := newPeer(t, options(v, side == "client", tight))
						p.hello()
						p.put(b.send...)
						p.wantViolation(b.want)
					})
				})
			}
		}
	}
}

// The same in a record of many frames: those before the violation count, those
// after it do not.
func TestViolationWithinRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPeer(t, options(Version02, false, tight))
		p.hello()
		p.send(p.bytes(data(0, 0, 5), data(4, 1, 1), data(2, 0, 1)))
		p.wantViolation(errOffset)
		if n := p.conn.received; n != 5 {
			t.Errorf("%d bytes count, want those before", n)
		}
	})
}

// Any frame before the parameters is a violation.
func TestNoParams(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		first := []frame{data(0, 0, 1), reset(0, 0), number(frameMaxData, 1), onStream(frameStopSending, 0)}
		if v.records() {
			first = append(first, frame{kind: framePadding}, number(framePingRequest, 0), frame{kind: frameDatagramLen})
		}
		for _, f := range first {
			p := newPeer(t, options(v, false, nil))
			p.put(f)
			p.wantViolation(errNoParams)
		}
	})
}

func TestFrameCut(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		for _, f := range []frame{
			data(0, 0, 100), reset(0, 1000), onStream(frameStopSending, 0), onStream(frameMaxStreamData, 4),
			number(frameMaxData, 1<<40), number(frameMaxStreamsUni, 100), number(frameStreamsBlockedBidi, 100),
			{kind: frameConnectionClose, code: 1002, data: []byte("reason")}, {kind: frameApplicationClose, data: []byte("reason")},
		} {
			whole := f.append(nil)
			for n := 1; n < len(whole); n += max(1, n/2) {
				p := newPeer(t, options(v, false, tight))
				p.hello()
				p.send(whole[:n])
				p.wantViolation(errShort)
			}
		}
	})
}

func TestTwoFramesInMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPeer(t, options(Version00, false, nil))
		p.hello()
		p.send(p.bytes(data(0, 0, 1), data(0, 1, 1)))
		p.wantViolation(errManyFrames)
	})
}

func TestLargeMessage(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := newPeer(t, options(v, false, nil))
		p.hello()
		p.send(make([]byte, MaxMessage+1))
		p.wantViolation(ErrTooLarge)
	})
}

// A datagram is never larger than what a frame may be.
func TestLargestMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPeer(t, options(Version01, false, nil))
		p.hello()
		p.send(make([]byte, MaxMessage)) // PADDING
		p.put(number(framePingRequest, 3))
		synctest.Wait()
		if len(p.frames(framePingResponse)) != 1 {
			t.Error("a message of the largest size is not taken")
		}
		p.send(append(make([]byte, 0, MaxMessage), p.bytes(frame{kind: frameDatagramLen, data: make([]byte, MinRecordSize+1-5)})...))
		synctest.Wait()
		if err := context.Cause(p.conn.Context()); err != nil {
			t.Errorf("a datagram that fits in a record: %v", err)
		}
	})
}

func TestParamViolations(t *testing.T) {
	valid := generous.append(nil, Version01)
	for name, c := range map[string]struct {
		add  string
		want error
	}{
		"a limit twice":               {"040101", errDuplicateParam},
		"a limit of streams twice":    {"090101", errDuplicateParam},
		"original_destination":        {"0000", errForbiddenParam},
		"stateless_reset_token":       {"0210" + strings.Repeat("00", 16), errForbiddenParam},
		"max_udp_payload_size":        {"030245ac", errForbiddenParam},
		"ack_delay_exponent":          {"0a0103", errForbiddenParam},
		"initial_source_connection":   {"0f00", errForbiddenParam},
		"retry_source_connection":     {"1000", errForbiddenParam},
		"an empty number":             {"0100", errBadParam},
		"a number and more":           {"01020101", errBadParam},
		"too short a number":          {"010140", errBadParam},
		"a small record":              {"c571c59429cd0845027ffd", errBadParam},
		"a reset_stream_at of one":    {"1d0101", errBadParam},
		"a cut id":                    {"c571c594", errShort},
		"no length":                   {"7fff", errShort},
		"a length too long":           {"7fff0200", errShort},
		"protocols decided elsewhere": {"fd4f9c2a8b1e6075020161", errProtocols},
		"an empty name":               {"fd4f9c2a8b1e60750100", errBadParam},
		"a cut name":                  {"fd4f9c2a8b1e6075020261", errBadParam},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPeer(t, options(Version01, false, nil))
				p.put(frame{kind: frameParams, data: append(slices.Clone(valid), unhex(t, c.add)...)})
				p.wantViolation(c.want)
				if err := p.conn.Ready(t.Context()); !errors.Is(err, c.want) {
					t.Errorf("Ready: %v", err)
				}
			})
		})
	}
}

func TestNoProtocolInCommon(t *testing.T) {
	for _, theirs := range [][]string{nil, {"x"}, {"moq-lite-0", "moq-lite-066", "MOQ-LITE-06"}} {
		bubble(t, func(t *testing.T) {
			o := options(Version01, false, nil)
			o.Protocols = []string{protocol}
			p := newPeer(t, o)
			p.params(Params{Protocols: theirs})
			p.wantViolation(transport.ErrNoCommonProtocol)
		})
	}
}

// Bytes that were read become credit again once the peer is told, and exactly
// as many.
func TestFlowControlAfterGrant(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := newPeer(t, options(v, false, tight))
		p.hello()
		p.put(data(2, 0, 1000))
		r, err := p.conn.AcceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 600)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		limits, all := p.frames(frameMaxStreamData), p.frames(frameMaxData)
		if len(limits) != 1 || limits[0].value != 1600 || len(all) != 1 || all[0].value != 2100 {
			t.Fatalf("limits are %+v and %+v", limits, all)
		}
		p.put(data(2, 1000, 600))
		synctest.Wait()
		if err := context.Cause(p.conn.Context()); err != nil {
			t.Fatal(err)
		}
		p.put(data(2, 1600, 1))
		p.wantViolation(errFlowControl)
	})
}

// A close of the peer's is the end, whatever else the message holds, and even
// before parameters. Only the first counts.
func TestPeerCloses(t *testing.T) {
	for _, early := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			p := newPeer(t, options(Version01, false, nil))
			if !early {
				p.hello()
			}
			p.send(p.bytes(frame{kind: frameApplicationClose, code: 5, data: []byte("enough")},
				frame{kind: frameConnectionClose, code: 6}, data(1, 0, 1)))
			<-p.conn.done
			want := transport.ConnError{Code: 5, Reason: "enough", Remote: true}
			if e, ok := errors.AsType[*transport.ConnError](context.Cause(p.conn.Context())); !ok || *e != want {
				t.Errorf("ended with %+v, want %+v", e, want)
			}
			for range 20 { // who speaks Qmux and closes at once was there
				if err := p.conn.Ready(t.Context()); (err != nil) != early {
					t.Errorf("ready: %v", err)
				}
			}
		})
	}
	bubble(t, func(t *testing.T) {
		p := newPeer(t, options(Version01, false, nil))
		p.hello()
		p.put(frame{kind: frameConnectionClose, code: codeViolation, data: []byte("why\nthat")})
		<-p.conn.done
		e, ok := errors.AsType[*transport.ConnError](context.Cause(p.conn.Context()))
		if !ok || !e.Remote || e.Code != 0 || e.Err == nil || !strings.Contains(e.Error(), `code 1002: "why\nthat"`) {
			t.Errorf("ended with %+v", e)
		}
	})
}

// A peer that violates the protocol and reads nothing is left soon.
func TestViolationUnread(t *testing.T) {
	everyDraft(t, func(t *testing.T, v Version) {
		p := deaf(t, options(v, false, tight))
		began := time.Now()
		p.params(generous)
		p.put(data(0, 1, 1))
		for time.Since(began) < 10*time.Second { // and more of it
			if p.link.WriteMessage(p.bytes(data(0, 1, 1))) != nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		<-p.conn.done
		if took := time.Since(began); took > 2*linger {
			t.Errorf("it took %v", took)
		}
		if err := context.Cause(p.conn.Context()); !errors.Is(err, errOffset) {
			t.Errorf("ended with %v", err)
		}
	})
}
