package impl_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
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

// inTurn returns a handler, and what writes the track's next group to the subscriber that
// came i-th. The group has its number in a frame.
func inTurn(t *testing.T) (serve func(w api.TrackWriter), write func(i int) api.GroupSequence) {
	writers := make(map[int]api.TrackWriter)
	serve = func(w api.TrackWriter) {
		writers[len(writers)] = w
		<-w.Context().Done()
	}
	write = func(i int) api.GroupSequence {
		t.Helper()
		synctest.Wait()
		g, err := writers[i].OpenGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = g.WriteFrame(api.Frame{Timestamp: 1, Payload: fmt.Append(nil, g.Sequence())})
		_ = g.Close()
		return g.Sequence()
	}
	return serve, write
}

// Subscribers of a track that is made for each of them share its numbers. Each is told
// which were given to others, as soon as it gets one, and of nothing from before its
// time. Ordered passes over them at once.
func TestGivenToOthers(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		serve, write := inTurn(t)
		publish(t, mux, serve)
		one := subscribe(t, s, "room", nil)
		write(0)
		write(0)
		synctest.Wait()
		two := subscribe(t, s, "room", &api.SubscribeConfig{StartGroup: 1})
		for _, i := range []int{1, 0, 1, 1, 0} { // 2 to 6
			write(i)
		}
		for _, want := range []api.GroupSequence{0, 1, 3, 6} {
			if g := accept(t, one); g.Sequence() != want {
				t.Errorf("one: group %d, want %d", g.Sequence(), want)
			}
		}
		expectGaps(t, "one", one, "2-3:16f 4-6:16f")
		var got []api.GroupSequence
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		for range 3 {
			write(0)
			write(1) // 8, 10, 12
		}
		for g, err := range api.Ordered(ctx, two, &api.OrderedConfig{From: 2}) {
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				break
			}
			if got = append(got, g.Sequence()); len(got) == 6 {
				break
			}
		}
		if took := time.Since(began); !slices.Equal(got, []api.GroupSequence{2, 4, 5, 8, 10, 12}) || took > 100*time.Millisecond {
			t.Errorf("groups %v after %v", got, took)
		}
	})
}

// A handler may write its groups by several goroutines. None of them takes another's
// number for one that was given to somebody else.
func TestNoneIsGivenToOthersWithin(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			var writing sync.WaitGroup
			for range 8 {
				writing.Go(func() {
					for range 50 {
						g, err := w.OpenGroup(w.Context())
						if err != nil {
							t.Error(err)
							return
						}
						_ = g.Close()
					}
				})
			}
			writing.Wait()
		})
		r := subscribe(t, s, "room", &api.SubscribeConfig{MaxLatency: time.Hour})
		n := 0
		for g, err := range api.Groups(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
			_ = g.ReadFrame(new(api.Frame))
			n++
		}
		expectGaps(t, "at the end", r, "")
		if n != 400 {
			t.Errorf("%d groups, want 400", n)
		}
	})
}

// Groups that a handler writes past the end of what a subscriber asks for are gone when it
// asks for more: it is told so at once, and gets what follows.
func TestGroupsPastTheEnd(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		serve, write := inTurn(t)
		publish(t, mux, serve)
		r := subscribe(t, s, "room", &api.SubscribeConfig{EndGroup: 2})
		for range 6 {
			write(0)
		}
		_, _ = accept(t, r), accept(t, r)
		expectGaps(t, "paused", r, "")
		if err := r.Update(&api.SubscribeConfig{EndGroup: 4}); err != nil {
			t.Fatal(err)
		}
		expectGaps(t, "a little further", r, "2-4:35")
		if err := r.Update(nil); err != nil {
			t.Fatal(err)
		}
		expectGaps(t, "without an end", r, "4-6:35")
		write(0)
		if g := accept(t, r); g.Sequence() != 6 {
			t.Errorf("group %d, want 6", g.Sequence())
		}
		expectGaps(t, "then", r, "")
	})
}
