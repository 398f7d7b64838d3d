package session

import (
	"context"
	"fmt"

	"github.com/moqlite/moqlite/api"
)

// Fetch implements [api.Subscriber].
func (s *Session) Fetch(context.Context, api.FetchRequest) (api.GroupReader, error) {
	return nil, fmt.Errorf("fetch on %s: %w", s.version.Name, api.ErrNotSupported)
}

// ReceiveDatagram implements [api.TrackReader].
func (sub *subscription) ReceiveDatagram(context.Context, *api.Datagram) error {
	return fmt.Errorf("datagrams on %s: %w", sub.session.version.Name, api.ErrNotSupported)
}

// Probe implements [api.Session].
func (s *Session) Probe(context.Context) (api.BitrateReader, error) {
	return nil, fmt.Errorf("probe on %s: %w", s.version.Name, api.ErrNotSupported)
}
