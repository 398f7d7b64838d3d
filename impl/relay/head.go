package relay

import (
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
)

// A viewer may ask for groups below the first one that came. If the feed has asked
// for these too, its publisher does not have them, or they come late: those that
// are held are sent in any order. They are lost when no lower group has come for
// the max age of the track. Where the version of the feed does not tell that, this
// is the default max age: no peer of such a version keeps groups longer, unless it
// was told to, and viewers should not learn of the loss late.

// expectLower records that a new feed may bring groups below those that came.
func (f *filler) expectLower() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lowestAt = time.Time{}
}

// reportHead reports to viewers the groups from start on, the lowest that they have
// named, up to the first that came, when these are lost. It returns when they will
// be; zero for never.
func (f *filler) reportHead(start api.GroupSequence, now time.Time) (due time.Time) {
	if f.current == nil || start == 0 || start < f.current.wantedConfig().StartGroup {
		return time.Time{}
	}
	f.mu.Lock()
	lowest, since := f.account.lowest, f.lowestAt
	f.mu.Unlock()
	if since.IsZero() || start >= lowest {
		return time.Time{}
	}
	if due = since.Add(f.current.maxAge()); now.Before(due) {
		return due
	}
	f.mu.Lock()
	f.account.lowest = min(f.account.lowest, start)
	f.mu.Unlock()
	f.reportGap(start, lowest, &api.StreamError{Code: api.StreamOld})
	return time.Time{}
}

// maxAge returns how old groups may become, as far as the version of the feed tells
// it.
func (fd *feed) maxAge() time.Duration {
	fd.mu.Lock()
	r := fd.reader
	fd.mu.Unlock()
	if r != nil {
		if maxAge := r.Info().MaxLatency; maxAge > 0 {
			return maxAge
		}
	}
	return age.DefaultMax
}
