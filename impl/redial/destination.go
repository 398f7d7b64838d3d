package redial

import (
	"context"
	"fmt"

	"github.com/moqlite/moqlite/impl/redial/internal/redirect"
)

// A destination is where to dial. The zero value is home: the URL of Dial, or
// what Policy.Source returns at the time. Any other is where a redirect leads.
type destination struct {
	url  string // holds the credentials of home if its origin is the same
	home string // the URL of home when the redirect was followed
}

// newDestination returns the destination of a URL that is home, or where a
// redirect from there leads.
func newDestination(url, home string) destination {
	if url == home {
		return destination{}
	}
	return destination{url, home}
}

// destination returns where l was dialled.
func (l *link) destination() destination { return newDestination(l.url, l.home) }

// from returns the URL to dial when home has the given URL: home's credentials
// may be others than those that d was made with.
func (d destination) from(home string) string {
	if d == (destination{}) {
		return home
	}
	return redirect.Refresh(d.url, d.home, home)
}

// askHome returns the URL of home for one dial.
func (s *Session) askHome(ctx context.Context) (string, error) {
	if s.policy.Source == nil {
		return s.home, nil
	}
	url, err := s.policy.Source(ctx)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("source of the URL to dial: %w", err)
	}
	return url, nil
}
