package impl_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// expectGaps checks which groups a reader knows to be lost. "3-10:33" is the
// first, the last, and the code in hexadecimal.
func expectGaps(t *testing.T, what string, r api.TrackReader, want string) {
	t.Helper()
	synctest.Wait()
	var got []string
	for _, gap := range r.Gaps() {
		got = append(got, fmt.Sprintf("%d-%d:%x", gap.Start, gap.End, uint64(api.ErrorCode(gap.Err))))
	}
	if strings.Join(got, " ") != want {
		t.Errorf("%s: gaps %v, want %q", what, got, want)
	}
}

// openEmpty opens a group and closes it.
func openEmpty(t *testing.T, w api.TrackSink, seq api.GroupSequence) {
	t.Helper()
	g, err := w.OpenGroupAt(w.Context(), seq)
	if err != nil {
		t.Error(err)
		return
	}
	_ = g.Close()
}

// A gap that the handler announces reaches the reader at once, in every
// version, and only readers that asked for its groups.
func TestWriteGap(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		goOn := make(chan struct{})
		publish(t, mux, func(w api.TrackWriter) {
			openEmpty(t, w, 4)
			if err := w.(api.GapWriter).WriteGap(api.Gap{Start: 1, End: 12, Err: &api.StreamError{Code: api.StreamEvicted}}); err != nil {
				t.Error(err)
			}
			if g, err := w.OpenGroupAt(w.Context(), 6); err == nil {
				t.Error("group 6 was opened after it had been given up")
				_ = g.Close()
			}
			<-goOn
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				t.Error(err)
				return
			}
			_ = g.Close()
		})
		all := subscribe(t, s, "room", nil)
		if g := accept(t, all); g.Sequence() != 4 {
			t.Errorf("group %d, want 4", g.Sequence())
		}
		expectGaps(t, "all", all, "1-4:35 5-12:35")
		close(goOn)
		if g := accept(t, all); g.Sequence() != 12 {
			t.Errorf("group %d, want 12", g.Sequence())
		}
		some := subscribe(t, s, "room", &api.SubscribeConfig{StartGroup: 3, EndGroup: 7})
		expectGaps(t, "some", some, "3-4:35 5-7:35")
	})
}

// A reader learns of groups that it asked for and did not get at the end of
// the track at the latest, also at the start of its range. Groups that it did
// not ask for are no gap.
func TestGapsAreWithinTheRange(t *testing.T) {
	for _, test := range []struct {
		config api.SubscribeConfig
		want   string
	}{
		{api.SubscribeConfig{}, "11-12:33 13-15:33"},
		{api.SubscribeConfig{StartGroup: 3}, "3-10:33 11-12:33 13-15:33"},
		{api.SubscribeConfig{StartGroup: 3, EndGroup: 14}, "3-10:33 11-12:33 13-14:33"},
		{api.SubscribeConfig{StartGroup: 11, EndGroup: 13}, "11-12:33"},
		{api.SubscribeConfig{StartGroup: 12, EndGroup: 13}, ""},
		{api.SubscribeConfig{StartGroup: 20}, ""},
	} {
		t.Run(fmt.Sprintf("%d-%d", test.config.StartGroup, test.config.EndGroup), func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
				publish(t, mux, func(w api.TrackWriter) {
					for _, seq := range []api.GroupSequence{10, 12, 15} {
						openEmpty(t, w, seq)
					}
				})
				r := subscribe(t, s, "room", &test.config)
				for g, err := range api.Groups(t.Context(), r) {
					if err != nil {
						t.Fatal(err)
					}
					_ = g.ReadFrame(new(api.Frame))
				}
				expectGaps(t, "at the end", r, test.want)
			})
		})
	}
}

// A reader also learns of missing groups when the subscription does not reach
// the end of the track: the publisher resets it, or the session ends.
func TestGapsOfWhatBrokeOff(t *testing.T) {
	for name, breakOff := range map[string]func(w api.TrackWriter){
		"reset":             func(w api.TrackWriter) { _ = w.CloseWithError(api.StreamInternal) },
		"the session ended": func(w api.TrackWriter) { _ = w.Request().Session.Terminate(api.SessionInternal, "enough") },
	} {
		t.Run(name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
				goOn := make(chan struct{})
				publish(t, mux, func(w api.TrackWriter) {
					for _, seq := range []api.GroupSequence{10, 12, 15} {
						openEmpty(t, w, seq)
					}
					<-goOn
					breakOff(w)
				})
				r := subscribe(t, s, "room", &api.SubscribeConfig{StartGroup: 8})
				for range 3 {
					_ = accept(t, r).ReadFrame(new(api.Frame))
				}
				expectGaps(t, "before", r, "")
				close(goOn)
				_, err := r.AcceptGroup(t.Context())
				if err == nil || errors.Is(err, io.EOF) {
					t.Fatalf("then came %v", err)
				}
				code := uint64(api.ErrorCode(err))
				expectGaps(t, "after", r, fmt.Sprintf("8-10:%x 11-12:%[1]x 13-15:%[1]x", code))
			})
		})
	}
}

// A group may arrive below the number with which the track was said to start: what
// is missing between them is a gap when the track breaks off.
func TestGapsBelowTheStart(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		goOn := make(chan struct{})
		publish(t, mux, func(w api.TrackWriter) {
			openEmpty(t, w, 6)
			time.Sleep(time.Second)
			openEmpty(t, w, 0)
			<-goOn
			_ = w.CloseWithError(api.StreamInternal)
		})
		r := subscribe(t, s, "room", nil)
		for range 2 {
			_ = accept(t, r).ReadFrame(new(api.Frame))
		}
		close(goOn)
		_, err := r.AcceptGroup(t.Context())
		expectGaps(t, "after", r, fmt.Sprintf("1-6:%x", uint64(api.ErrorCode(err))))
	})
}
