package auth

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

const (
	// askWithin bounds a question to a server.
	askWithin = 10 * time.Second
	// maxAnswerBytes bounds its answer.
	maxAnswerBytes = 1 << 20
)

// A Remote asks a server about each session: one event when it begins, one for
// each recheck, and one when it has ended, each a POST of JSON ([Handler], which
// is such a server, shows it). Its fields must not change once it is in use. Any
// number of goroutines may use it.
//
// A grant admits; 401, 403, and a grant of nothing refuse. All else is no
// answer: another status, an answer that is not understood or cannot be applied,
// a server that cannot be reached or takes longer than 10 seconds. Then the
// session is not admitted, but not refused either, and its client tries again.
type Remote struct {
	// URL is that of the server: https://, http:// at a loopback address, or
	// unix:///path for a socket.
	URL string

	// Node names this relay to the server.
	Node string

	// TLSConfig is for https://: the certificate to present, and the
	// authorities to trust. Nil: those of the system.
	TLSConfig *tls.Config

	// Logger is told of ends that the server was not told of. Why there is no
	// answer on a session is the error of Admit, and of Recheck, which an
	// impl.Server logs. Nil: nothing is logged.
	Logger *slog.Logger

	once    sync.Once
	place   *place
	invalid error // the URL
}

// Validate reports what of r cannot be used.
func (r *Remote) Validate() error {
	_, err := r.server()
	return err
}

// server returns whom to ask.
func (r *Remote) server() (*place, error) {
	r.once.Do(func() {
		if r.place != nil { // by a test
			return
		}
		if r.place, r.invalid = parsePlace(r.URL, true); r.invalid == nil {
			r.place.use(r.TLSConfig)
		}
	})
	return r.place, r.invalid
}

// Admit asks about a session: it is the Admit of an impl.Server. The grant's
// Recheck asks again, and its Ended tells the server of the end. An error matches [api.ErrUnauthorized] if the session is refused, and else
// [api.ErrUnavailable]; it matches [api.ErrInvalidGrant] too if the server has
// answered with what cannot be applied.
func (r *Remote) Admit(ctx context.Context, a api.AdmitRequest) (api.Grant, error) {
	e := eventOf(a, r.Node)
	if e.ID == "" {
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails
		e.ID = hex.EncodeToString(id[:])
	}
	e.Event = eventConnect
	g, err := r.ask(ctx, e)
	if err != nil {
		return api.Grant{}, err
	}
	g.Ended = func(end api.SessionEnd) { r.tell(e, end) }
	return g, nil
}

// Close closes the connections to the server that are idle. It is for the end of
// a program; r can still be used.
func (r *Remote) Close() error {
	if server, err := r.server(); err == nil {
		server.client.CloseIdleConnections()
	}
	return nil
}

// ask sends an event and reads the grant.
func (r *Remote) ask(ctx context.Context, e event) (api.Grant, error) {
	g, err := r.answer(ctx, e)
	if err != nil && !errors.Is(err, api.ErrUnauthorized) {
		err = unavailable(err)
	}
	if err != nil {
		return api.Grant{}, fmt.Errorf("admission: %w", err)
	}
	return g, nil
}

// answer asks the server once.
func (r *Remote) answer(ctx context.Context, e event) (api.Grant, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askWithin, errors.New("it takes too long"))
	defer cancel()
	status, body, err := r.send(ctx, e)
	if err != nil {
		return api.Grant{}, err
	}
	switch status {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return api.Grant{}, refuse("refused with status %d", status) // its text is for the server's operator
	default:
		return api.Grant{}, fmt.Errorf("%s answers with status %d", r.place.name, status)
	}
	// What is granted is checked as a whole: a part of a grant may be more than
	// was meant.
	g, every, err := parseAnswer(body)
	switch {
	case err != nil:
		return api.Grant{}, fmt.Errorf("%w from %s: %w", api.ErrInvalidGrant, r.place.name, err)
	case strings.Contains(string(g.Root), "*"):
		return api.Grant{}, refuse("the grant's root contains *")
	case g.Empty():
		return api.Grant{}, refuse("nothing is granted")
	}
	if every > 0 {
		// Rechecks ask about the same session, by the same id.
		e.Event = eventRevalidate
		g.RecheckEvery, g.Recheck = every, func(ctx context.Context) (api.Grant, error) { return r.ask(ctx, e) }
	}
	return g, g.Validate()
}

// send posts an event.
func (r *Remote) send(ctx context.Context, e event) (status int, body []byte, err error) {
	server, err := r.server()
	if err != nil {
		return 0, nil, err
	}
	text, err := marshal(e)
	if err != nil {
		return 0, nil, err
	}
	return server.do(ctx, http.MethodPost, text, maxAnswerBytes)
}

// tell sends the end of a session. No answer is expected.
func (r *Remote) tell(e event, end api.SessionEnd) {
	seconds := end.Duration.Seconds()
	e.Event, e.Reason, e.Duration = eventEnd, end.Reason, &seconds
	e.Bytes = &byteCounts{Sent: end.BytesSent, Received: end.BytesReceived}
	// The session's context has ended, and the server is to be told nevertheless.
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	if _, _, err := r.send(ctx, e); err != nil {
		r.logger().Warn("the end of a session was not told", "session", e.ID, "error", err)
	}
}

// logger returns Logger, or one that drops everything.
func (r *Remote) logger() *slog.Logger {
	if r.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Logger
}
