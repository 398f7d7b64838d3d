package api

import (
	"context"
	"fmt"
	"io"
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

// WaitEnded waits until the broadcast that a has told of is not announced any
// more: nothing is announced at its path, or another publisher's broadcast. That
// is so at once, if it is so already and the peer has told its initial set
// ([AnnouncementsComplete]). Unknown origins are taken for the same.
//
// It is for the function of [EachBroadcast] that reads tracks to their ends. If
// their publisher was away meanwhile and came back, as when a relay is started
// again, the function is called again as soon as it returns; after WaitEnded it
// is only called for what was announced later.
//
// The error wraps the cause of ctx or of the session; if the peer has ended its
// announcements, it is nil.
func WaitEnded(ctx context.Context, s Subscriber, a Announcement) error {
	path := a.Path.Clean()
	r, err := s.Announcements(ctx, string(path))
	if err != nil {
		return fmt.Errorf("wait for the end of %q: %w", string(path), err)
	}
	defer r.Close()
	complete, there := false, false
	for !complete || there {
		next, err := r.Receive(ctx)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("wait for the end of %q: %w", string(path), err)
		case next.Status == AnnouncementsComplete:
			complete = true
		case next.Path == path:
			there = next.Status != AnnouncementEnded && next.Origin() == a.Origin()
			complete = complete || next.Status != AnnouncementEnded
		}
	}
	return nil
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
