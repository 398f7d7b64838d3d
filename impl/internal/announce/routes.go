package announce

import (
	"fmt"
	"slices"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// leavesOut reports whether a newly announced broadcast is left out because Limit is
// reached. That is no violation: a relay may pass on more announcements than each of its
// publishers is allowed.
func (h *Hearer) leavesOut(path api.BroadcastPath) bool {
	if h.set.Len()+len(h.barred) < h.Limit {
		return false
	}
	_, barred := h.barred[path]
	if _, known := h.set.Get(path); known || barred {
		return false
	}
	h.Host.LeftOut(h.Prefix, !h.excess)
	h.excess = true
	return true
}

// route returns an announcement of moq-lite-06 with the peer's hop and the cost of the
// link added.
func (h *Hearer) route(path api.BroadcastPath, ids []uint64, warm, cold uint64) api.Announcement {
	return api.Announcement{Path: path, Hops: h.hops(ids, 0), Warm: addCost(warm, h.link), Cold: addCost(cold, h.link)}
}

func addCost(a, b uint64) uint64 { return min(min(a, maxCost)+min(b, maxCost), maxCost) }

// hops returns the hops of a route, the peer included. In moq-lite-03, which has only
// their number, it returns count zeros. The result is valid until the next call.
func (h *Hearer) hops(ids []uint64, count uint64) []api.Hop {
	if !h.Version.HopIDs {
		if uint64(len(h.chain)) != count {
			h.chain = make([]api.Hop, count)
		}
		return h.chain
	}
	h.chain = h.chain[:0]
	for _, id := range ids {
		h.chain = append(h.chain, api.Hop(id))
	}
	if !h.Version.SenderInHops {
		h.chain = append(h.chain, h.hop)
	}
	return h.chain
}

// usable reports whether a route may be used: this end is not among its hops, it is not
// too long, and the path is valid.
func (h *Hearer) usable(a api.Announcement) bool {
	return !slices.Contains(a.Hops, h.Own) && len(a.Hops) <= message.MaxHops && a.Path.Validate() == nil
}

// begin adds an announcement. It returns an error if the path is announced already.
func (h *Hearer) begin(a api.Announcement) error {
	_, again := h.barred[a.Path]
	if h.usable(a) {
		again = again || !h.set.Add(a)
	} else {
		again = h.set.Remove(a.Path) || again
		h.bar(a.Path)
	}
	if again {
		return fmt.Errorf("%w of %q, which is announced already", errOrder, string(a.Path))
	}
	return nil
}

// replace adds an announcement or replaces one. If the path is announced already, from the
// same origin, that is an update; from another origin the broadcast ends and starts again.
func (h *Hearer) replace(a api.Announcement) {
	switch {
	case !h.usable(a):
		h.withdraw(a.Path)
		h.bar(a.Path)
	case h.origin(a.Path) == a.Origin() && h.set.Update(a):
	default:
		h.withdraw(a.Path)
		h.set.Put(a)
	}
}

// origin returns the origin of the broadcast announced at path, 0 if there is none.
func (h *Hearer) origin(path api.BroadcastPath) api.Hop {
	a, _ := h.set.Get(path)
	return a.Origin()
}

// bar records that path is announced, by a route that is not usable.
func (h *Hearer) bar(path api.BroadcastPath) {
	if h.barred == nil {
		h.barred = make(map[api.BroadcastPath]struct{})
	}
	h.barred[path] = struct{}{}
}

func (h *Hearer) withdraw(path api.BroadcastPath) {
	delete(h.barred, path)
	h.set.Remove(path)
}
