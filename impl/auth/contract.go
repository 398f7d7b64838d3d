package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/moqlite/moqlite/api"
)

// The contract by which a relay asks a server, one POST of JSON for each event
// of a session: moq-relay asks so where it has --auth-url. An event is answered
// with a grant (200), a refusal (401, 403), or anything else, which is no answer.

// The events of a session.
const (
	eventConnect    = "connect"
	eventRevalidate = "revalidate"
	eventEnd        = "end"
)

// An event is what a relay sends. What is unknown is left out.
type event struct {
	ID         string      `json:"id"`
	Event      string      `json:"event"`
	Reason     string      `json:"reason,omitempty"`   // of the end
	Duration   *float64    `json:"duration,omitempty"` // in seconds, at the end
	Bytes      *byteCounts `json:"bytes,omitempty"`    // at the end
	Node       string      `json:"node"`
	Transport  string      `json:"transport"`
	Remote     string      `json:"remote,omitempty"`
	Local      string      `json:"local,omitempty"`
	ServerName string      `json:"server_name,omitempty"`
	ALPN       string      `json:"alpn,omitempty"`
	Path       string      `json:"path"`
	Query      string      `json:"query,omitempty"`
	Role       string      `json:"role,omitempty"`
	TLS        *tlsFacts   `json:"tls,omitempty"`
}

// byteCounts are what a session has sent and received in all, as the relay sees it.
type byteCounts struct {
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
}

// tlsFacts tell of a client certificate that was verified.
type tlsFacts struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
	Expires     int64  `json:"expires"`
	Issuer      string `json:"issuer"`
}

// eventOf tells of a session what does not change.
func eventOf(r api.AdmitRequest, node string) event {
	s := r.State
	e := event{ID: s.ID, Node: node, Transport: s.Transport, ServerName: r.Host, Path: "/" + string(s.Root)}
	// As it was dialled, with all its slashes. Of a path that came in SETUP with
	// characters that a URL escapes, the URL has another form than the session's root.
	if s.URL != nil && s.URL.Path != "" {
		if dialled := s.URL.EscapedPath(); api.BroadcastPath(dialled).Clean() == s.Root {
			e.Path = dialled
		}
	}
	if s.URL != nil {
		e.Query = s.URL.RawQuery
	}
	switch s.Transport {
	// The contract calls both quic, and tells a WebSocket by its subprotocol, that of
	// Qmux.
	case "quic", "webtransport":
		e.Transport, e.ALPN = "quic", string(s.Version)
	case "websocket":
		e.ALPN = "qmux-01." + string(s.Version)
	}
	if s.Remote != nil {
		e.Remote = s.Remote.String()
	}
	if s.Local != nil {
		e.Local = s.Local.String()
	}
	switch s.Peer.Role {
	case api.RolePublisher:
		e.Role = "publisher"
	case api.RoleSubscriber:
		e.Role = "subscriber"
	}
	e.TLS = factsOf(s)
	return e
}

// factsOf tells of the client certificate of a session, if it was verified.
func factsOf(s api.SessionState) *tlsFacts {
	if s.TLS == nil || len(s.TLS.VerifiedChains) == 0 {
		return nil
	}
	leaf := s.TLS.VerifiedChains[0][0]
	sum := sha256.Sum256(leaf.Raw)
	f := &tlsFacts{Fingerprint: hex.EncodeToString(sum[:]), Expires: leaf.NotAfter.Unix(), Issuer: leaf.Issuer.String()}
	switch {
	// The first that says whose certificate it is. The fingerprint is always
	// there.
	case len(leaf.DNSNames) > 0:
		f.Name = leaf.DNSNames[0]
	case leaf.Subject.CommonName != "":
		f.Name = leaf.Subject.CommonName
	default:
		f.Name = f.Fingerprint
	}
	return f
}

// An answer is a grant as it is sent.
type answer struct {
	Publish    api.Patterns `json:"publish"`
	Subscribe  api.Patterns `json:"subscribe"`
	Root       string       `json:"root,omitempty"`
	Expires    int64        `json:"expires,omitempty"`    // Unix seconds
	Revalidate int64        `json:"revalidate,omitempty"` // seconds
	Tier       string       `json:"tier,omitempty"`
	Peer       bool         `json:"peer,omitempty"`
}

// answerOf returns a grant as it is sent. Its end and its pace are whole
// seconds, rounded up.
func answerOf(g api.Grant) answer {
	a := answer{
		Publish: append(api.Patterns{}, g.Publish...), Subscribe: append(api.Patterns{}, g.Subscribe...),
		Root: string(g.Root), Tier: g.Tier, Peer: g.Peer,
	}
	if !g.Expires.IsZero() {
		a.Expires = g.Expires.Unix()
		if g.Expires.Nanosecond() > 0 {
			a.Expires++
		}
		if g.RecheckEvery > 0 { // of no use to a relay without an end
			a.Revalidate = int64(math.Ceil(g.RecheckEvery.Seconds()))
		}
	}
	return a
}

// errMounts: this module has no such thing. To leave mounts out would grant
// something else than was meant.
var errMounts = errors.New("mounts are not supported")

// maxRevalidate bounds the pace of rechecks, in seconds.
const maxRevalidate = 366 * 24 * 60 * 60

// parseAnswer reads a grant, and the pace at which to ask again.
func parseAnswer(body []byte) (g api.Grant, every time.Duration, err error) {
	o, err := parseObject(body)
	if err != nil {
		return g, 0, fmt.Errorf("the answer %w", err)
	}
	o.without("root", "mounts", "expires", "revalidate", "tier")
	if err := o.noMounts(); err != nil {
		return g, 0, err
	}
	for name, to := range map[string]*api.Patterns{"publish": &g.Publish, "subscribe": &g.Subscribe} {
		texts, err := o.texts(name)
		if err != nil {
			return g, 0, err
		}
		if *to, err = api.ParsePatterns(texts...); err != nil {
			return g, 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	root, err := o.text("root")
	if err != nil {
		return g, 0, err
	}
	// A root that is only slashes is the root of everything, and not the same as
	// none, which leaves the session where it was dialled.
	if g.Root = api.BroadcastPath(root).Clean(); root != "" && g.Root == "" {
		g.Root = "/"
	}
	if g.Tier, err = o.text("tier"); err != nil {
		return g, 0, err
	}
	if g.Peer, err = o.flag("peer"); err != nil {
		return g, 0, err
	}
	every, err = o.times(&g)
	return g, every, err
}

// noMounts refuses a grant with mounts. An empty object has none, and is what a
// server may always send.
func (o object) noMounts() error {
	if raw, ok := o["mounts"]; ok {
		mounts, err := parseObject(raw)
		if err != nil {
			return errType("mounts", "an object")
		}
		if len(mounts) > 0 {
			return errMounts
		}
	}
	return nil
}

// times reads when a grant ends, and how often to ask again.
func (o object) times(g *api.Grant) (every time.Duration, err error) {
	expires, ends, err := o.integer("expires")
	if err != nil {
		return 0, err
	}
	if ends {
		if g.Expires = time.Unix(expires, 0); !g.Expires.After(time.Now()) {
			return 0, errors.New("it has expired already")
		}
	}
	seconds, again, err := o.integer("revalidate")
	switch {
	case err != nil:
		return 0, err
	// Without an end, a relay that never gets an answer again would serve for
	// ever.
	case again && !ends:
		return 0, errors.New("revalidate without expires")
	case again && seconds <= 0:
		return 0, errors.New("revalidate is not above 0")
	default:
		return time.Duration(min(seconds, maxRevalidate)) * time.Second, nil
	}
}

// A received is what a server needs of an event.
type received struct {
	event string
	question
}

// parseEvent reads an event. What else is in it is ignored.
func parseEvent(body []byte) (r received, err error) {
	o, err := parseObject(body)
	if err != nil {
		return r, fmt.Errorf("the event %w", err)
	}
	if r.event, err = o.text("event"); err != nil {
		return r, err
	}
	// An end grants nothing, so nothing else of it is looked at.
	switch r.event {
	case eventEnd:
		return r, nil
	case eventConnect, eventRevalidate:
	default:
		return r, fmt.Errorf("event %q is unknown", r.event)
	}
	// "" is a path, that of the root. What is absent must not be taken for it.
	if _, ok := o["path"]; !ok {
		return r, errors.New("the event has no path")
	}
	path, err := o.text("path")
	if err != nil {
		return r, err
	}
	r.path = api.BroadcastPath(path)
	query, err := o.text("query")
	if err != nil {
		return r, err
	}
	r.token = api.QueryToken(query)
	if err := r.setToken(o["token"]); err != nil {
		return r, err
	}
	return r, r.setCertificate(o["tls"])
}

// setToken takes the token that came in SETUP, which may be in the query too.
func (r *received) setToken(raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	o, err := parseObject(raw)
	if err != nil {
		return fmt.Errorf("token %w", err)
	}
	kind, _, err := o.integer("kind")
	if err != nil {
		return err
	}
	text, err := o.text("value")
	if err != nil {
		return err
	}
	value, err := decode64(text)
	switch {
	case err != nil:
		return fmt.Errorf("token %w", err)
	// Only kind 0, the text of a token, is defined. Another is no mistake of the
	// relay, which passes on what the client has sent: the client is refused.
	case kind != 0:
		return refuse("a token of kind %d", kind)
	// Which of them counts must not depend on who reads them.
	case r.token != "" && r.token != string(value):
		return refuse("two tokens that differ")
	}
	r.token = string(value)
	return nil
}

// setCertificate takes when the client's certificate ends. It is there only if the
// relay has verified it; null stands for none.
func (r *received) setCertificate(raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	o, err := parseObject(raw)
	if err != nil {
		return fmt.Errorf("tls %w", err)
	}
	expires, there, err := o.integer("expires")
	if err != nil {
		return err
	}
	if !there {
		return errors.New("tls has no expires")
	}
	r.certificate = &certificate{time.Unix(expires, 0)}
	return nil
}
