package message_test

import (
	"strings"
	"testing"

	"github.com/moqlite/moqlite/impl/internal/message"
)

func TestVersions(t *testing.T) {
	var names []string
	for _, v := range message.Versions() {
		names = append(names, v.Name)
		if message.VersionByName(v.Name) != v {
			t.Errorf("%s is not found by its name", v)
		}
	}
	if got := strings.Join(names, " "); got != "moq-lite-06 moq-lite-05 moq-lite-04 moq-lite-03" {
		t.Errorf("versions are %s", got)
	}
	if v := message.VersionByName("moq-lite-06-wip"); v != nil {
		t.Errorf("found %s", v)
	}
	message.Versions()[0] = nil
	if message.Versions()[0] == nil {
		t.Error("the table can be changed by its users")
	}
}

func TestServes(t *testing.T) {
	for _, c := range []struct {
		v         *message.Version
		bidi, uni string // of each type from 0 on: whether it is served
	}{
		{message.Lite03, ".xx.x...", "x.."},
		{message.Lite04, ".xx.xx..", "x.."},
		{message.Lite05, ".xxxxxx.", "xx."},
		{message.Lite06, ".xxxxxx.", "xx."},
	} {
		for i, want := range c.bidi {
			if got := c.v.Serves(message.StreamType(i)); got != (want == 'x') {
				t.Errorf("%s: bidirectional type %d: %v", c.v, i, got)
			}
		}
		for i, want := range c.uni {
			if got := c.v.ServesUni(message.StreamType(i)); got != (want == 'x') {
				t.Errorf("%s: unidirectional type %d: %v", c.v, i, got)
			}
		}
	}
}

func TestResponseKinds(t *testing.T) {
	old := []message.ResponseKind{message.ResponseOK, message.ResponseDrop, message.ResponseUnknown, message.ResponseUnknown}
	implicit := []message.ResponseKind{message.ResponseStart, message.ResponseEnd, message.ResponseDrop, message.ResponseUnknown}
	for v, want := range map[*message.Version][]message.ResponseKind{
		message.Lite03: old, message.Lite04: old, message.Lite05: implicit, message.Lite06: implicit,
	} {
		for i, want := range want {
			if got := v.ResponseKind(uint64(i)); got != want {
				t.Errorf("%s: type %d is %d, want %d", v, i, got, want)
			}
		}
		if got := v.ResponseKind(message.MaxVarint); got != message.ResponseUnknown {
			t.Errorf("%s: the highest type is %d", v, got)
		}
	}
}

func TestCleanPath(t *testing.T) {
	for p, want := range map[string]string{
		"": "", "/": "", "///": "", "a": "a", "/a": "a", "a/": "a", "//a///b//": "a/b", "a/b": "a/b",
		"A/./b/../c": "A/./b/../c", " / ": " / ", "a//b": "a/b", "é//東": "é/東",
	} {
		if got := message.CleanPath(p); got != want {
			t.Errorf("%q: got %q, want %q", p, got, want)
		}
	}
}
