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
func (r *Receiver) leavesOut(path api.BroadcastPath) bool {
	if r.set.Len()+len(r.barred) < r.Limit {
		return false
	}
	_, barred := r.barred[path]
	if _, known := r.set.Get(path); known || barred {
		return false
	}
	r.Host.LeftOut(r.Prefix, !r.excess)
	r.excess = true
	return true
}

// route returns an announcement of moq-lite-06 with the peer's hop and the cost of the
// link added.
func (r *Receiver) route(path api.BroadcastPath, ids []uint64, warm, cold uint64) api.Announcement {
	return api.Announcement{Path: path, Hops: r.hops(ids, 0), Warm: addCost(warm, r.link), Cold: addCost(cold, r.link)}
}

// addCost returns a+b, at most maxCost. Both come from peers, so the sum could
// overflow; the highest cost then still is the highest.
func addCost(a, b uint64) uint64 { return min(min(a, maxCost)+min(b, maxCost), maxCost) }

// hops returns the hops of a route, the peer included. In moq-lite-03, which has only
// their number, it returns count zeros. The result is valid until the next call.
func (r *Receiver) hops(ids []uint64, count uint64) []api.Hop {
	if !r.Version.HopIDs {
		if uint64(len(r.chain)) != count {
			r.chain = make([]api.Hop, count)
		}
		return r.chain
	}
	r.chain = r.chain[:0]
	for _, id := range ids {
		r.chain = append(r.chain, api.Hop(id))
	}
	// The peer has left itself out of the hops that it has sent.
	if !r.Version.SenderInHops {
		r.chain = append(r.chain, r.hop)
	}
	return r.chain
}

// usable reports whether a route may be used: this end is not among its hops, it is not
// too long, the path is valid, and the peer may announce it.
func (r *Receiver) usable(a api.Announcement) bool {
	return !slices.Contains(a.Hops, r.Own) && len(a.Hops) <= message.MaxHops && a.Path.Validate() == nil &&
		r.Host.MayAnnounce(a.Path)
}

// startBroadcast adds an announcement. It returns an error if the path is announced
// already.
func (r *Receiver) startBroadcast(a api.Announcement) error {
	_, again := r.barred[a.Path]
	if r.usable(a) {
		again = again || !r.set.Add(a)
	} else {
		again = r.set.Remove(a.Path) || again
		r.bar(a)
	}
	if again {
		return fmt.Errorf("%w of %q, which is announced already", errOrder, string(a.Path))
	}
	return nil
}

// replace adds an announcement or replaces one. If the path is announced already, from the
// same origin, that is an update; from another origin the broadcast ends and starts again.
func (r *Receiver) replace(a api.Announcement) {
	switch {
	case !r.usable(a):
		r.withdraw(a.Path)
		r.bar(a)
	case r.origin(a.Path) == a.Origin() && r.set.Update(a):
	default:
		r.withdraw(a.Path)
		r.set.Put(a)
	}
}

// origin returns the origin of the broadcast announced at path, 0 if there is none.
func (r *Receiver) origin(path api.BroadcastPath) api.Hop {
	a, _ := r.set.Get(path)
	return a.Origin()
}

// bar records that a path is announced, by a route that is not usable.
func (r *Receiver) bar(a api.Announcement) {
	if slices.Contains(a.Hops, r.Own) {
		r.Host.Own(a.Path)
	}
	if r.barred == nil {
		r.barred = make(map[api.BroadcastPath]struct{})
	}
	if _, again := r.barred[a.Path]; !again && !r.Host.MayAnnounce(a.Path) {
		r.Host.Refused(a.Path)
	}
	r.barred[a.Path] = struct{}{}
}

// withdraw removes what is announced at path, if anything is: also a broadcast whose
// route was not usable, or that was left out, may end.
func (r *Receiver) withdraw(path api.BroadcastPath) {
	delete(r.barred, path)
	r.set.Remove(path)
}
