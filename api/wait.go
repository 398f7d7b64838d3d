package api

import (
	"context"
	"fmt"
)

// WaitAnnounced waits until a broadcast is announced, and returns its
// announcement, at once if it is announced already. An announcement of a path
// above that covers path counts too, see [Announcement]: the publisher then may
// or may not have the broadcast. To subscribe, use [SubscribeWhenAnnounced],
// which tries.
//
// The error wraps the cause of ctx or of the session, or io.EOF if the peer has
// ended its announcements.
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
// yet: it waits until it is. If the peer then has no such broadcast
// ([StreamUnroutable]), because it has lost it or because only a path above was
// announced, SubscribeWhenAnnounced tries again at the next announcement. Any
// other refusal is returned, such as that of a track which the broadcast does
// not have. Below moq-lite-05, a relay may accept first and refuse later, in
// AcceptGroup.
//
// ctx bounds the whole call. The errors are those of [WaitAnnounced] and of
// Subscribe. If ctx ends after a refusal, the error wraps that too.
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
