//go:build unix

package interop_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What is ours in the matrix.
const (
	ourClient = "client"
	ourNode   = "relay"
)

// features are the columns of the matrix.
var features = []string{"announce", "publish", "subscribe", "update", "fetch", "datagram", "probe", "end", "vanish", "goaway"}

// rows are the combinations that are tested: ours, a peer, a transport.
var rows = []row{
	{ourClient, "moq-relay", "moqt"}, {ourClient, "moq-relay", "https"}, {ourClient, "moq-relay", "ws"},
	{ourClient, "python", "moqt"}, {ourClient, "python", "https"},
	{ourClient, "node", "moqt"}, {ourClient, "node", "https"},
	{ourClient, "chromium", "https"},
	{ourClient, "ourselves", "moqt"}, {ourClient, "ourselves", "https"}, {ourClient, "ourselves", "ws"},
	{ourNode, "moq-relay", "moqt"}, {ourNode, "moq-relay", "https"}, {ourNode, "moq-relay", "ws"},
	{ourNode, "python", "moqt"}, {ourNode, "python", "https"}, {ourNode, "python", "ws"},
	{ourNode, "node", "moqt"}, {ourNode, "node", "https"}, {ourNode, "node", "ws"},
	{ourNode, "chromium", "https"}, {ourNode, "chromium", "ws"},
	{ourNode, "ourselves", "moqt"}, {ourNode, "ourselves", "https"}, {ourNode, "ourselves", "ws"},
}

type row struct{ ours, peer, scheme string }

// javaScriptPeer reports whether a peer is @moq/net.
func (r row) javaScriptPeer() bool { return r.peer == "node" || r.peer == "chromium" }

// lacks returns why a peer does not have a feature in any version; empty if it
// has.
func (r row) lacks(feature string) string {
	switch {
	case r.ours == ourClient && r.peer == "chromium":
		return "a browser serves nobody"
	case r.ours == ourNode && r.javaScriptPeer() && r.scheme == "moqt":
		return "@moq/net has no native QUIC as a client"
	case r.ours == ourClient && feature == "goaway" && (r.peer == "python" || r.peer == "node"):
		return "the peer never sends GOAWAY"
	case r.ours == ourNode && feature == "goaway" && r.peer == "moq-relay":
		return "the peer does not show whether it has heard"
	case feature == "probe" && r.scheme == "ws" && (r.ours == ourNode || r.peer == "ourselves"):
		return "ours knows no bitrate over WebSocket"
	case feature == "datagram" && r.scheme == "ws" && r.ours == ourNode && r.peer != "ourselves":
		return "the peer's clients carry no datagrams over WebSocket"
	case r.ours == ourClient && feature == "probe" && r.peer == "node":
		return "@moq/net on Node knows no bitrate"
	default:
		return ""
	}
}

// expected returns the versions in which a feature must work: those that both
// sides have and that have the feature.
func (r row) expected(feature string) []string {
	if r.lacks(feature) != "" {
		return nil
	}
	has := versions
	if r.javaScriptPeer() {
		has = javaScript
	}
	return slices.DeleteFunc(slices.Clone(has), func(v string) bool {
		return !versionHas(v, feature) || r.javaScriptPeer() && feature == "probe" && !asksForProbes(v) ||
			feature == "end" && r.missesEnd(v)
	})
}

// missesEnd reports whether a peer does not see the end of a track: in versions
// without a message for that, @moq/net waits for the end of a stream that it
// does not read; over WebSocket it never learns of an end.
func (r row) missesEnd(version string) bool {
	return r.javaScriptPeer() && r.scheme == "ws" && version < "moq-lite-05"
}

// asksForProbes reports whether @moq/net asks for probes in a version: only if
// the peer has offered them.
func asksForProbes(version string) bool { return version >= "moq-lite-05" }

// versionHas reports whether a version has a feature at all.
func versionHas(version, feature string) bool {
	switch feature {
	case "fetch", "datagram":
		return version >= "moq-lite-05"
	case "goaway":
		return version >= "moq-lite-04"
	default:
		return true
	}
}

// tried records what was seen to work.
var tried matrix

// A matrix holds, for each row and feature, the versions in which it works.
type matrix struct {
	mu    sync.Mutex
	cells map[cell][]string
}

type cell struct {
	row
	feature string
}

// add records that features work, unless the test has failed.
func (m *matrix) add(t *testing.T, ours, peer string, s side, shown ...string) {
	t.Helper()
	if t.Failed() || s.version == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cells == nil {
		m.cells = make(map[cell][]string)
	}
	for _, f := range shown {
		c := cell{row{ours, peer, s.scheme}, f}
		if versionHas(s.version, f) && !slices.Contains(m.cells[c], s.version) {
			m.cells[c] = append(m.cells[c], s.version)
		}
	}
}

// missing returns what was expected to work and was not seen to, or the other
// way round.
func (m *matrix) missing() (missing []string) {
	for _, r := range rows {
		for _, f := range features {
			got, want := slices.Sorted(slices.Values(m.cells[cell{r, f}])), slices.Sorted(slices.Values(r.expected(f)))
			if !slices.Equal(got, want) {
				missing = append(missing, fmt.Sprintf("our %s with %s over %s: %s works in %v, want %v", r.ours, r.peer, r.scheme, f, got, want))
			}
		}
	}
	return missing
}

// table returns the matrix as a Markdown table.
func (m *matrix) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| our | with | over | %s |\n|%s\n", strings.Join(features, " | "), strings.Repeat(" --- |", 3+len(features)))
	var notes []string
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s |", r.ours, r.peer, map[string]string{"moqt": "QUIC", "https": "WebTransport", "ws": "WebSocket"}[r.scheme])
		for _, f := range features {
			text := span(m.cells[cell{r, f}])
			if why := r.lacks(f); text == "" && why != "" {
				if !slices.Contains(notes, why) {
					notes = append(notes, why)
				}
				text = fmt.Sprintf("– (%d)", 1+slices.Index(notes, why))
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for i, why := range notes {
		fmt.Fprintf(&b, "(%d) %s. ", i+1, why)
	}
	return strings.TrimSpace(b.String())
}

// span formats a range of versions: "03–06".
func span(versions []string) string {
	if len(versions) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(versions))
	first, last := strings.TrimPrefix(sorted[0], "moq-lite-"), strings.TrimPrefix(sorted[len(sorted)-1], "moq-lite-")
	if first == last {
		return first
	}
	return first + "–" + last
}

const (
	readme      = "README.md"
	tableBegins = "<!-- matrix -->\n"
	tableEnds   = "\n<!-- /matrix -->"
)

// compare checks that all was seen to work that is expected to, and that the
// README says so. MOQ_INTEROP=update rewrites the README.
func (m *matrix) compare() error {
	if missing := m.missing(); len(missing) > 0 {
		return fmt.Errorf("the matrix is not complete:\n%s", strings.Join(missing, "\n"))
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), tableBegins)
	old, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		return errors.New("impl/interop/README.md has no place for the matrix")
	}
	if old == m.table() {
		return nil
	}
	if os.Getenv("MOQ_INTEROP") != "update" {
		return fmt.Errorf("impl/interop/README.md has another matrix than was seen; MOQ_INTEROP=update corrects it:\n%s", m.table())
	}
	return os.WriteFile(readme, []byte(before+tableBegins+m.table()+tableEnds+after), 0o644)
}
