package auth

import (
	"errors"
	"net/http"

	"github.com/moqlite/moqlite/api"
)

// maxEventBytes bounds an event, which contains a token and more.
const maxEventBytes = 256 << 10

// Handler answers what relays ask of sessions, by a policy. It is the server
// behind moq-relay's --auth-url, and behind a [Remote]:
//
//	POST /  {"event":"connect","path":"/demo","query":"jwt=…", …}
//	200     {"publish":["cam/**"],"subscribe":["**"],"expires":4102444800}
//	403     a session that is refused; the body says why, to the operator
//	503     the keys could not be had: the relay's clients try again
//
// It knows no relay: whoever can reach it, may ask it. Serve it where only
// relays can, on a loopback address or behind client certificates.
func Handler(p *Policy) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "events are posted", http.StatusMethodNotAllowed)
			return
		}
		body, err := readAll(r.Body, maxEventBytes)
		if err != nil {
			http.Error(w, "the event "+err.Error(), http.StatusBadRequest)
			return
		}
		asked, err := parseEvent(body)
		if err == nil && asked.event == eventEnd {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if err != nil && !errors.Is(err, api.ErrUnauthorized) {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var g api.Grant
		if err == nil {
			g, err = p.decide(r.Context(), asked.question)
		}
		reply(w, g, err)
	})
}

// reply sends a decision.
func reply(w http.ResponseWriter, g api.Grant, err error) {
	switch {
	case errors.Is(err, api.ErrUnauthorized):
		http.Error(w, err.Error(), http.StatusForbidden)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		text, err := marshal(answerOf(g))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	}
}
