package api

import (
	"context"
	"fmt"
)

// WaitAnnounced waits until a broadcast is announced, and returns its
// announcement, at once if it is announced already. One that covers path from
// above counts, see [Announcement]: whether its publisher has the broadcast shows
// when it is asked, so that [SubscribeWhenAnnounced] waits better for who means to
// subscribe.
//
// The error has the cause of ctx, or of the session, in its chain; io.EOF where
// the peer has ended its announcements.
func WaitAnnounced(ctx context.Context, s Subscriber, path BroadcastPath) (Announcement, error) {
	path = path.Clean()
	r, err := s.Announcements(ctx, string(path))
	if err != nil {
		return Announcement{}, fmt.Errorf("wait for %q to be announced: %w", string(path), err)
	}
	defer r.Close()
	a, err := nextCovering(ctx, r, path)
	if err != nil {
		return Announcement{}, fmt.Errorf("wait for %q to be announced: %w", string(path), err)
	}
	return a, nil
}

// nextCovering receives announcements until one is active at path or above it.
func nextCovering(ctx context.Context, r AnnouncementReader, path BroadcastPath) (Announcement, error) {
	for {
		a, err := r.Receive(ctx)
		if err != nil {
			return Announcement{}, err
		}
		is := a.Status == AnnouncementActive || a.Status == AnnouncementUpdated
		if is && path.HasPrefix(a.Path) {
			return a, nil
		}
	}
}

// SubscribeWhenAnnounced is Subscribe for a broadcast that may not be announced
// yet: it waits until it is. A peer that has no such broadcast although one is
// announced that covers it, or that has lost it in between ([StreamUnroutable]), is
// asked again when another announcement comes. Any other refusal is returned, as
// that of a track which the broadcast does not have. Below moq-lite-05, a relay may
// accept first and refuse later, in AcceptGroup.
//
// ctx bounds the whole call. The errors are those of [WaitAnnounced] and of
// Subscribe; with the end of ctx comes the last refusal.
func SubscribeWhenAnnounced(ctx context.Context, s Subscriber, path BroadcastPath, name TrackName, config *SubscribeConfig) (TrackReader, error) {
	path = path.Clean()
	r, err := s.Announcements(ctx, string(path))
	if err != nil {
		return nil, fmt.Errorf("wait for %q to be announced: %w", string(path), err)
	}
	defer r.Close()
	var refused error
	for {
		if _, err := nextCovering(ctx, r, path); err != nil {
			err = fmt.Errorf("wait for %q to be announced: %w", string(path), err)
			if refused != nil {
				err = fmt.Errorf("%w, after %w", err, refused)
			}
			return nil, err
		}
		t, err := s.Subscribe(ctx, path, name, config)
		if err == nil || ErrorCode(err) != StreamUnroutable {
			return t, err
		}
		refused = err
	}
}
