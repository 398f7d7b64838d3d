package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/transport"
)

// TestUnfinishedMessagesTimeOut: a peer opens streams and sends a part of what they begin
// with. They are refused with a code that says so.
func TestUnfinishedMessagesTimeOut(t *testing.T) {
	for _, part := range []string{"06", "06 0b 0464", "02 13 00 0464656d6f"} {
		inBubble(t, api.Lite06, api.NewTrackMux(), func(p *rawPeer, _ *session.Session) {
			p.expectReset(p.bidi(part), uint64(api.StreamControlTimeout))
		})
	}
	for _, part := range []string{"40", "00", "00 03 00 05"} { // of GROUP
		inBubble(t, api.Lite06, api.NewTrackMux(), func(p *rawPeer, _ *session.Session) {
			st, err := p.conn.OpenUniStream(p.t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = st.Write(p.bytes(part))
			<-st.Context().Done()
			err = context.Cause(st.Context())
			refused, ok := errors.AsType[*transport.StreamError](err)
			if !ok || refused.Code != uint64(api.StreamControlTimeout) {
				t.Errorf("%s was refused with %v, want %v", part, err, api.StreamControlTimeout)
			}
		})
	}
}

// TestRefusedSubscriptionsCostNothing: a peer asks again and again for a subscription with
// an id that is in use. Nothing of those that are refused is kept.
func TestRefusedSubscriptionsCostNothing(t *testing.T) {
	const times = 500
	mux := api.NewTrackMux()
	if err := mux.PublishFunc(t.Context(), "demo", func(w api.TrackWriter) { <-w.Context().Done() }); err != nil {
		t.Fatal(err)
	}
	inBubble(t, api.Lite06, mux, func(p *rawPeer, _ *session.Session) {
		const request = "02 13 00 0464656d6f 05766964656f 7f 5388 00 00 00 00"
		_ = p.bidi(request)
		synctest.Wait()
		ask := func() {
			for range times {
				p.expectReset(p.bidi(request), uint64(api.StreamCancelled))
			}
			synctest.Wait()
		}
		ask()
		before := heap()
		ask()
		if each := (heap() - before) / times; each > 1<<10 {
			t.Errorf("each of the refused ones holds %d bytes", each)
		}
	})
}
