package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// An AdmitRequest tells of a session that a client asks for. It is what a
// decision on admission goes by.
type AdmitRequest struct {
	// State describes the session as far as it is known: State.Root is the path
	// that was dialled, clean and still escaped, and State.Peer.Role what the
	// client declares from moq-lite-05 on, except over WebSocket, where the
	// question comes before SETUP.
	State SessionState

	// Host is the name that the client has asked for: that of TLS (SNI), or the
	// Host of an HTTP request.
	Host string

	// Header is that of the request of WebTransport and WebSocket; nil over
	// other transports.
	Header http.Header

	// Token is the credential in the query: see [QueryToken]. It must reach no
	// log and no error.
	Token string
}

// QueryToken returns the last value of jwt in a raw query that is not empty, or
// "" if there is none. Nothing is unescaped.
func QueryToken(rawQuery string) string {
	token := ""
	for parameter := range strings.SplitSeq(rawQuery, "&") {
		if value, ok := strings.CutPrefix(parameter, "jwt="); ok && value != "" {
			token = value
		}
	}
	return token
}

// A Grant is what a session may do. The zero value allows nothing: a session
// with such a grant is refused.
type Grant struct {
	// Root is where the session stands: what it announces and asks for is below
	// it. Empty: the path that was dialled. "/": the root of all.
	Root BroadcastPath

	// Publish and Subscribe name what the session may announce, and what it may
	// ask for and is told of, below its root.
	Publish, Subscribe Patterns

	// Expires is when the session ends, to the millisecond, with
	// [SessionUnauthorized] and the reason "expired". Zero: never.
	Expires time.Time

	// Recheck, if not nil, is called every RecheckEvery. It has to return when
	// ctx ends: after 10 s, or with the grant or the session. An error that
	// matches [ErrUnauthorized] or [ErrInvalidGrant] ends the
	// session with [SessionUnauthorized], and so does a grant that lacks some
	// of what this one has, has another root or another Peer, cannot be
	// applied, or has expired. After any other error, or without an
	// answer in time, this grant holds until it expires, and Recheck is called again:
	// after a second, which doubles with each failure, up to a minute or
	// RecheckEvery. Otherwise the session has the new grant's Expires and Tier;
	// that it allows more changes nothing. Recheck may close the session.
	Recheck func(ctx context.Context) (Grant, error)

	// RecheckEvery is how often; it is positive if Recheck is set.
	RecheckEvery time.Duration

	// Mux has what the session may subscribe to. Nil: that of the server.
	Mux *TrackMux

	// Value says whose session it is, for handlers of the application's own.
	Value any

	// Tier is a label for statistics.
	Tier string

	// Peer marks another relay.
	Peer bool

	// Ended, if not nil, is called once, in a goroutine of its own, when the
	// session has ended, or when it is known that there will be none: the
	// client is gone, the answer came too late or cannot be applied. It may
	// block, and may close the session or the server. The server's Shutdown
	// waits for it until its ctx ends, and Close for a second.
	Ended func(SessionEnd)
}

// A SessionEnd tells of a session that was granted something and has ended.
type SessionEnd struct {
	// Reason is why: "no error"; "expired" for the grant; "refused", "invalid",
	// "grant narrowed", "root changed" or "peer changed" after a recheck; or
	// another text for people.
	Reason string

	// Duration is how long the session was there.
	Duration time.Duration

	// BytesSent and BytesReceived are those of [SessionStats].
	BytesSent, BytesReceived uint64
}

// GrantAll returns a grant of everything at the path that was dialled.
func GrantAll() Grant {
	return Grant{Publish: Patterns{anything}, Subscribe: Patterns{anything}}
}

// Empty reports whether g allows nothing.
func (g Grant) Empty() bool { return len(g.Publish) == 0 && len(g.Subscribe) == 0 }

// Validate reports why g cannot be applied; the error matches
// [ErrInvalidGrant]. An empty grant is valid, and so is one that has expired.
func (g Grant) Validate() error {
	if err := g.invalid(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidGrant, err)
	}
	return nil
}

func (g Grant) invalid() error {
	if err := g.Root.Validate(); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if _, err := g.Publish.Under(g.Root); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if _, err := g.Subscribe.Under(g.Root); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	switch {
	case strings.Contains(string(g.Root), "*"):
		return errors.New("root contains *")
	case g.Recheck == nil && g.RecheckEvery != 0:
		return errors.New("there is RecheckEvery, and no Recheck")
	case g.Recheck != nil && g.RecheckEvery <= 0:
		return errors.New("there is Recheck, and no RecheckEvery")
	default:
		return nil
	}
}
