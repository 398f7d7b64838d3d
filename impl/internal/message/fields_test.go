package message_test

import (
	"bytes"
	"encoding/json"

	"github.com/moqlite/moqlite/impl/internal/message"
)

// fields are all fields of the messages in the test vectors.
type fields struct {
	Active     uint64
	Bitrate    uint64
	Broadcast  string
	Cold       uint64
	Cost       *uint64
	End        uint64
	EndFrame   *uint64 `json:"end_frame"`
	EndGroup   *uint64 `json:"end_group"`
	Error      uint64
	ExcludeHop uint64 `json:"exclude_hop"`
	FrameStart uint64 `json:"frame_start"`
	Frames     []struct {
		Timestamp uint64
		Payload   hexBytes
	}
	Group      uint64
	Hop        uint64
	HopCount   uint64 `json:"hop_count"`
	Hops       []uint64
	ID         uint64
	Kind       string
	MaxAge     uint64 `json:"max_age_ms"`
	Name       string
	Normalized string
	Ordered    bool
	Path       *string
	Payload    hexBytes
	Prefix     string
	Priority   uint8
	Probe      uint64
	Raw        string
	Role       uint64
	RTT        uint64
	Sequence   uint64
	Start      uint64
	StartFrame uint64  `json:"start_frame"`
	StartGroup *uint64 `json:"start_group"`
	Status     string
	Subscribe  uint64
	Suffix     string
	Timescale  uint64
	Timestamp  uint64
	Track      string
	URI        string
	Value      json.RawMessage
	Warm       uint64
}

// UnmarshalJSON returns an error for unknown fields, which would not be tested.
func (f *fields) UnmarshalJSON(b []byte) error {
	type plain fields
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode((*plain)(f))
}

// exclusive converts an inclusive bound to an exclusive one, 0 for none.
func exclusive(last *uint64) uint64 {
	if last == nil {
		return 0
	}
	return *last + 1
}

func (f *fields) hops() []uint64 {
	if len(f.Hops) == 0 {
		return nil
	}
	return f.Hops
}

func (f *fields) params(v *message.Version) message.SubscribeParams {
	p := message.SubscribeParams{
		Priority:   f.Priority,
		MaxAge:     f.MaxAge,
		EndGroup:   exclusive(f.EndGroup),
		StartFrame: f.StartFrame,
		EndFrame:   exclusive(f.EndFrame),
	}
	if f.StartGroup != nil {
		p.StartGroup = *f.StartGroup
	} else {
		p.Latest = !v.StartFloor
	}
	return p
}

// message returns the message that Parse has to return for the vector.
func (f *fields) message(v *message.Version, name string) wire {
	switch name {
	case "announce_request":
		return &message.AnnounceRequest{Prefix: f.Prefix, ExcludeHop: f.ExcludeHop}
	case "announce_ok":
		return &message.AnnounceOK{Hop: f.Hop, Active: f.Active}
	case "announce":
		status := map[string]message.AnnounceStatus{"active": message.AnnounceActive, "ended": message.AnnounceEnded}[f.Status]
		return &message.Announce{Status: status, Suffix: f.Suffix, Hops: f.hops(), HopCount: f.HopCount}
	case "announce_start":
		return &message.AnnounceStart{Suffix: f.Suffix, Hops: f.hops(), Warm: f.Warm, Cold: f.Cold}
	case "announce_end":
		return &message.AnnounceEnd{ID: f.ID}
	case "announce_update":
		return &message.AnnounceUpdate{ID: f.ID, Hops: f.hops(), Warm: f.Warm, Cold: f.Cold}
	case "subscribe":
		return &message.Subscribe{ID: f.ID, Path: f.Broadcast, Track: f.Track, SubscribeParams: f.params(v)}
	case "subscribe_update":
		return &message.SubscribeUpdate{f.params(v)}
	case "subscribe_ok":
		return &message.SubscribeOK{f.params(v)}
	case "subscribe_start":
		return &message.SubscribeStart{Group: f.Group}
	case "subscribe_end":
		return &message.SubscribeEnd{Group: f.Group}
	case "subscribe_drop":
		return &message.SubscribeDrop{Start: f.Start, End: f.End, Error: f.Error}
	case "track":
		return &message.Track{Path: f.Broadcast, Name: f.Track}
	default:
		return f.data(name)
	}
}

// data is message for messages that are not about announcements and subscriptions.
func (f *fields) data(name string) wire {
	switch name {
	case "track_info":
		return &message.TrackInfo{Priority: f.Priority, MaxAge: f.MaxAge, Timescale: f.Timescale}
	case "fetch":
		return &message.Fetch{
			Path: f.Broadcast, Track: f.Track, Priority: f.Priority, Group: f.Group,
			StartFrame: f.StartFrame, EndFrame: exclusive(f.EndFrame),
		}
	case "group":
		return &message.Group{Subscribe: f.Subscribe, Sequence: f.Sequence, StartFrame: f.FrameStart}
	case "probe":
		return &message.Probe{Bitrate: f.Bitrate, RTT: f.RTT}
	case "goaway":
		return &message.GoAway{URI: f.URI}
	case "datagram":
		m := &message.Datagram{Subscribe: f.Subscribe, Sequence: f.Sequence, Timestamp: f.Timestamp}
		if len(f.Payload) > 0 {
			m.Payload = f.Payload
		}
		return m
	case "setup":
		m := &message.Setup{Probe: f.Probe, Role: f.Role, Hop: f.Hop}
		if f.Path != nil {
			m.Path, m.HasPath = *f.Path, true
		}
		if f.Cost != nil {
			m.Cost, m.HasCost = *f.Cost, true
		}
		return m
	default:
		return nil
	}
}
