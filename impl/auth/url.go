package auth

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

const (
	// freshFor is how long fetched keys are used before they are fetched again.
	freshFor = time.Minute
	// askAgain is the least time between two fetches: where one has failed, and
	// for a key that is not among those known.
	askAgain = 5 * time.Second
	// fetchWithin bounds a fetch.
	fetchWithin = 5 * time.Second
	// maxSetBytes bounds what is fetched.
	maxSetBytes = 1 << 20
)

// A location holds keys behind a URL.
type location struct {
	url  string
	turn chan struct{} // of size 1: one fetch at a time

	// With the turn:
	place   *place
	fetched time.Time // the last attempt
}

// URL returns the keys behind a URL: a JSON Web Key Set, or one key as in a
// file. It is https://, or http:// at a loopback address. They are fetched when
// the first token comes, and again after a minute; at once, but not more often
// than every five seconds, for a token that names a key which is not among them.
// While the server does not answer, the last keys stay in use.
func URL(url string) *Source {
	return &Source{origin: &location{url: url, turn: make(chan struct{}, 1)}}
}

// key returns the keys for a token that names kid. If they do not have it, it may
// have been added since they were fetched: they are fetched again, at the pace of
// askAgain, so that tokens with invented ids cannot make this side ask more often.
func (l *location) key(ctx context.Context, s *Source, kid string) (Keys, error) {
	k, err := l.current(ctx, s, freshFor)
	if err != nil {
		return nil, err
	}
	if k.good != nil {
		if _, err := k.good.Key(ctx, kid); err == nil {
			return k.good, nil
		}
		if k, err = l.current(ctx, s, askAgain); err != nil {
			return nil, err
		}
		// Whether the key exists was not found out, so the token is not
		// refused.
		if _, err := k.good.Key(ctx, kid); err != nil && k.bad != nil {
			return nil, unavailable(fmt.Errorf("the keys that are known have not the token's, and there are no newer ones: %w", k.bad))
		}
	}
	return k.use()
}

// load fetches the keys in any case, and reports why they cannot be used.
func (l *location) load(ctx context.Context, s *Source) error {
	k, err := l.current(ctx, s, 0)
	if err == nil {
		err = k.bad
	}
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// current returns what was fetched within maxAge, or fetches it.
func (l *location) current(ctx context.Context, s *Source, maxAge time.Duration) (*known, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, unavailable(context.Cause(ctx))
	}
	if l.place == nil {
		p, err := parsePlace(l.url, false)
		if err != nil {
			return nil, unavailable(err)
		}
		l.place = p
	}
	k := s.last(l.place.name)
	// After a failure, keys that are in use still are asked for sooner.
	if k != nil && k.bad != nil {
		maxAge = min(maxAge, askAgain)
	}
	if k != nil && time.Since(l.fetched) < maxAge {
		return k, nil
	}
	text, err := l.fetch(ctx)
	l.fetched = time.Now()
	return s.take(l.place.name, text, err, parseAny), nil
}

// fetch gets the keys. It goes on when ctx ends: others wait for them too.
func (l *location) fetch(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchWithin)
	defer cancel()
	status, body, err := l.place.do(ctx, http.MethodGet, nil, maxSetBytes)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s answers with status %d", l.place.name, status)
	}
	return body, err
}
